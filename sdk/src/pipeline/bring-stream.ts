/** The content of one file of a backup, brought to a target that takes a stream. */
import type { Context, RunEvent } from '../contracts/context.ts'
import type { Action, Engine, StreamTarget } from '../contracts/engine.ts'
import { displayPath, type Entry, entryPath } from '../contracts/entry.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import type { Selection } from '../contracts/selection.ts'
import { PageReader } from '../repository/entries.ts'
import type { Repository } from '../repository/repository.ts'
import { extract } from './extract.ts'
import type { OpenBackup } from './open-backup.ts'
import { selectPages } from './selection.ts'

export interface StreamRequest {
  readonly repository: Repository
  readonly engines: readonly Engine[]
  readonly backup: OpenBackup
  /** Holds one file, besides what is no file. */
  readonly select: Selection
  readonly target: StreamTarget
  readonly phase: string
  /** Tell what is done. */
  readonly list: boolean
}

export interface BroughtStream {
  readonly action: Action | undefined
  readonly bytes: number
  /** Why nothing was brought: stored data is damaged. It was told. */
  readonly damage: Failure | undefined
}

/**
 * @throws Failure `not-found` when nothing is selected, `usage` for more than one file, of the target, of the storage; damage
 *   is in the result
 */
export async function bringStream(request: StreamRequest, context: Context): Promise<BroughtStream> {
  const { target, list } = request
  const { report } = context
  const found = await onlyFile(request)
  const shown = found instanceof Failure ? '.' : displayPath(entryPath(found))
  const passed: Passed = { bytes: 0, whole: false, failure: undefined }
  const ended = (action: Action): BroughtStream => {
    if (list || target.purpose !== undefined) {
      const differs = action === 'changed' ? (['content'] as const) : []
      // That nothing differs is no news.
      if (action !== 'same') report({ type: 'finding', finding: { action, path: shown, differs } })
    }
    return { action, bytes: passed.bytes, damage: undefined }
  }
  const damaged = (damage: Failure): BroughtStream => {
    const undone = target.purpose === 'verify' ? 'not compared' : 'not restored'
    const message = `${undone}: ${damage.message}`
    report({ type: 'warning', warning: { kind: 'unrestored', path: shown, message } })
    return { action: undefined, bytes: 0, damage }
  }
  if (found instanceof Failure) return damaged(found)
  if (target.purpose === 'preview') return ended(target.action ?? 'create')
  try {
    await target.write(content(request, found, passed, context), found.name, context.signal)
  } catch (error) {
    const compared = target.purpose === 'verify' && passed.failure === undefined && isFailure(error)
    if (compared && error.code === 'different') return ended('changed')
    if (compared && error.code === 'not-found') return ended('missing')
    if (passed.failure === undefined) throw error
  }
  // Also of a target that took the end of a failed stream for its end.
  if (passed.failure !== undefined) {
    const { error } = passed.failure
    if (isFailure(error) && error.code === 'damaged') return damaged(error)
    throw error
  }
  if (!passed.whole) {
    throw new Failure('plugin', `What ${shown} was to be restored to did not take all of it.`)
  }
  return ended(target.purpose === 'verify' ? 'same' : (target.action ?? 'create'))
}

/** What came by on its way to the target. */
interface Passed {
  bytes: number
  whole: boolean
  failure: { readonly error: unknown } | undefined
}

async function* content(
  { repository, engines, backup, phase }: StreamRequest,
  entry: Entry,
  passed: Passed,
  context: Context,
): AsyncGenerator<Uint8Array> {
  const path = entryPath(entry)
  const total = entry.size
  const report = (event: RunEvent): void =>
    context.report(
      event.type === 'progress' ? { ...event, progress: { ...event.progress, phase, total } } : event,
    )
  try {
    const select = { paths: [path], include: [], exclude: [] }
    const extracting = extract({ repository, engines, backup, select }, { ...context, report })
    for await (const extracted of extracting) {
      if (entryPath(extracted.entry) !== path) continue
      if (extracted.failure !== undefined) throw extracted.failure
      for await (const chunk of extracted.content()) {
        passed.bytes += chunk.length
        yield chunk
      }
      passed.whole = passed.bytes === entry.size
    }
    if (!passed.whole) throw new Failure('damaged', `Nothing can be had of "${displayPath(path)}".`)
  } catch (error) {
    passed.whole = false
    passed.failure = { error }
    throw error
  }
}

/** The file that is selected; a failure where part of the index is damaged, so that nobody can say. */
async function onlyFile({ backup, select }: StreamRequest): Promise<Entry | Failure> {
  let lost: Failure | undefined
  const next = await selectPages(backup, select, () => {
    lost = new Failure('damaged', 'Part of the index is damaged.')
  })
  let file: Entry | undefined
  for (let page = await next(); page !== undefined; page = await next()) {
    const reader = new PageReader(page)
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      if (entry.type === 'directory') continue
      if (entry.type !== 'file' || file !== undefined) throw severalFiles()
      file = entry
    }
  }
  if (lost !== undefined) return lost
  if (file !== undefined) return file
  throw new Failure('not-found', 'No file in the backup matches.', {
    remedy: 'See what it holds with "freezer ls".',
  })
}

function severalFiles(): Failure {
  return new Failure('usage', 'One file is restored as a stream, and more is selected of the backup.', {
    remedy: 'Name one file of it with --path.',
  })
}
