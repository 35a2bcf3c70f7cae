// A small tree, backed up into an encrypted container and restored from it, by whoever has something that opens it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  type BackupResult,
  backup,
  type Codec,
  listBackups,
  openRepository,
  quietContext,
  type Repository,
  type RepositoryAccess,
  type RestoreRequest,
  restore,
  type Storage,
} from '@freezer/sdk'
import { engine as plainEngine } from '../../../core/templates/engine/src/index.ts'
import { toyCodecs } from './toy-codecs.ts'

export const context = quietContext()

/** What opens a container: a passphrase, a key file or a recipient file. */
export type Way = Pick<RepositoryAccess, 'passphrase' | 'keyFile' | 'recipient'>

export function openBy(storage: Storage, way: Way, create = false): Promise<Repository> {
  const { signal } = context
  return openRepository({ storage, codecs: Object.values(toyCodecs), ...way, signal }, create)
}

/** A directory with one file, whose content is the moment. */
export class SmallTree implements Disposable {
  readonly #scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-keys-'))
  #targets = 0

  async backUp(
    storage: Storage,
    way: Way,
    content: string,
    { host = 'h', name = 'n', codec = toyCodecs.seal as Codec } = {},
  ): Promise<BackupResult> {
    const source = path.join(this.#scratch, 'source')
    fs.mkdirSync(source, { recursive: true })
    fs.writeFileSync(path.join(source, 'file'), content)
    return backup(
      {
        repository: openBy(storage, way, way.recipient === undefined),
        source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
        engine: plainEngine,
        host,
        name,
        mode: { name: 'fs', facts: {} },
        encryption: { codec, options: {} },
        levels: { incremental: true },
        workers: 1,
      },
      context,
    )
  }

  /** The content of the newest backup, or of the newest up to a moment. */
  async restored(
    storage: Storage,
    way: Way,
    { host = 'h', name = 'n', time }: { host?: string; name?: string; time?: string } = {},
  ): Promise<string> {
    const target = path.join(this.#scratch, `target-${this.#targets++}`)
    const request: RestoreRequest = {
      repository: openBy(storage, way),
      engines: [plainEngine],
      target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }) as const,
      host,
      name,
      backup: time === undefined ? 'latest' : { before: new Date(time) },
      workers: 1,
    }
    await restore(request, context)
    return fs.readFileSync(path.join(target, 'file'), 'utf8')
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.#scratch, { recursive: true })
  }
}

/** Times of the backups that whoever has `way` can read; those that are damaged as `damaged`. */
export async function readable(storage: Storage, way: Way): Promise<string[]> {
  const listed = await Array.fromAsync(listBackups(await openBy(storage, way), {}, context.signal))
  return listed.map((one) => ('failure' in one ? 'damaged' : one.time))
}
