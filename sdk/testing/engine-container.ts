/** A container in memory that an engine backs up into and restores from, through the whole pipeline. */
import type { Warning } from '../src/contracts/context.ts'
import { type BackupResult, backup } from '../src/pipeline/backup.ts'
import { type RestoreResult, restore } from '../src/pipeline/restore.ts'
import { openRepository } from '../src/repository/repository.ts'
import { type ReadyEngine, treeSource } from './engine-run.ts'
import { memoryStorage } from './memory-storage.ts'

type Told = { readonly warnings: readonly Warning[] }

export interface Container {
  /** What is stored; a test may change it. */
  readonly blobs: Map<string, Uint8Array>
  backup(source: string): Promise<BackupResult & Told>
  /** Restores the newest backup up to `time` (ISO 8601), of all without it, into a new `directory`. */
  restore(directory: string, time?: string): Promise<RestoreResult & Told>
}

export function container({ engine, options }: ReadyEngine): Container {
  const storage = memoryStorage()
  const { signal } = new AbortController()
  const open = () => openRepository({ storage, codecs: [], signal }, true)

  function listen() {
    const warnings: Warning[] = []
    const context = {
      signal,
      now: Date.now,
      report: (event: { readonly type: string; readonly warning?: Warning }) => {
        if (event.warning !== undefined) warnings.push(event.warning)
      },
    }
    return { warnings, context }
  }

  return {
    blobs: storage.blobs,
    async backup(source) {
      const { warnings, context } = listen()
      const request = {
        repository: await open(),
        source: treeSource(source),
        engine,
        engineOptions: options,
        host: 'host',
        name: 'name',
        mode: { name: 'fs', facts: {} },
        levels: { incremental: true },
        workers: 1,
      }
      return { ...(await backup(request, context)), warnings }
    },
    async restore(directory, time) {
      const { warnings, context } = listen()
      const request = {
        repository: await open(),
        engines: [engine],
        target: () => ({ kind: 'tree', path: directory, overwrite: false, remove: false }) as const,
        host: 'host',
        name: 'name',
        backup: time === undefined ? undefined : { before: new Date(time) },
        workers: 1,
      }
      return { ...(await restore(request, context)), warnings }
    },
  }
}
