/** A check beside restores: what the one names must be what the others fail on. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { tar } from '@freezer/engine-tar'
import {
  type CheckReport,
  type Context,
  checkContainer,
  type DataPart,
  isFailure,
  quietContext,
  type Repository,
  restore,
  type Warning,
} from '@freezer/sdk'
import { removeTree } from './tree.ts'

/** What a restore of one backup came to: nothing at all, or what it named. */
export interface Found {
  readonly whole: boolean
  readonly files: readonly string[]
  readonly metadata: readonly string[]
  /** First paths of what the index lacks. */
  readonly lost: readonly string[]
}

const lostPart = 'Part of the index is damaged'

/** Restores every backup that is listed; those that came back without a fault are not in the answer. */
export async function restoreAll(repository: Repository, scratch: string): Promise<Map<string, Found>> {
  const { signal } = quietContext()
  const found = new Map<string, Found>()
  for (const { id, time } of await repository.names(undefined, signal)) {
    const target = path.join(scratch, `restored-${id}`)
    const warnings: Warning[] = []
    const context: Context = {
      ...quietContext(AbortSignal.timeout(60_000)),
      report: (event) => event.type === 'warning' && warnings.push(event.warning),
    }
    try {
      const result = await restore(
        {
          repository,
          engines: [tar],
          target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }),
          host: 'h',
          name: 'n',
          backup: { before: new Date(time) },
        },
        context,
      )
      assert.equal(result.id, id)
      const paths = (kind: Warning['kind'], lost: boolean) =>
        warnings
          .filter((one) => one.kind === kind && one.message.startsWith(lostPart) === lost)
          .map((one) => one.path)
          .sort()
      const one = { whole: false, files: paths('unrestored', false), metadata: paths('metadata', false) }
      const lost = paths('unrestored', true)
      const incomplete = one.files.length + one.metadata.length + lost.length > 0
      // A record may be damaged though every block is as it was stored.
      assert.ok(incomplete || !result.damaged)
      if (incomplete) found.set(id, { ...one, lost })
    } catch (error) {
      assert.ok(isFailure(error) && ['damaged', 'hostile'].includes(error.code), String(error))
      found.set(id, { whole: true, files: [], metadata: [], lost: [] })
    } finally {
      if (fs.existsSync(target)) removeTree(target)
    }
  }
  return found
}

export async function check(
  repository: Repository,
  data?: DataPart,
  more: { resume?: string; context?: Context } = {},
): Promise<CheckReport> {
  const { context = quietContext(), resume } = more
  return checkContainer({ repository, engines: [tar], data, resume }, context)
}

/** Demands that a check, of all data too, went through everything and found nothing. */
export async function expectSound(repository: Repository): Promise<void> {
  const request = { repository, engines: [tar], data: 'all', workers: 1 } as const
  const { damaged, unchecked, stopped } = await checkContainer(request, quietContext())
  assert.deepEqual({ damaged, unchecked, stopped }, { damaged: [], unchecked: [], stopped: undefined })
}

/** What a check named, in the form of what restores came to. Backups of which everything can be restored are left out. */
export function named(report: CheckReport): Map<string, Found> {
  const found = new Map<string, Found>()
  for (const { id, whole, files, metadata, lost } of report.damaged) {
    const one = {
      whole,
      files: [...files].sort(),
      metadata: [...metadata].sort(),
      lost: lost.map(({ from }) => from).sort(),
    }
    if (whole || one.files.length + one.metadata.length + one.lost.length > 0) found.set(id, one)
  }
  return found
}
