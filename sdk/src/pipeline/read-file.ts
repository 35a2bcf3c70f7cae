/** The content of one file of a backup. */
import type { Context } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import { displayPath, type EntryType, entryPath } from '../contracts/entry.ts'
import { Failure } from '../contracts/failures.ts'
import type { BackupReference } from '../repository/choose.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { Repository } from '../repository/repository.ts'
import { extract } from './extract.ts'
import { noSuchPath } from './list-entries.ts'
import { isOpen, type OpenBackup, openBackup } from './open-backup.ts'

export interface ReadFileRequest {
  readonly repository: Repository
  /** Every engine that stored backups may need. */
  readonly engines: readonly Engine[]
  /** One that is open stays open. */
  readonly backup: BackupReference | OpenBackup
  /** Which backups a reference is looked for among. */
  readonly filter?: BackupFilter | undefined
  /** Byte string, relative to the root of the tree. */
  readonly path: string
}

const contentless: Partial<Record<EntryType, string>> = {
  symlink: 'a symbolic link',
  fifo: 'a FIFO',
  character: 'a device',
  block: 'a device',
}

/**
 * The content in chunks; holes come as zeros. Every byte that is given was verified: where stored data is damaged, it ends
 * with that failure.
 * @throws Failure `not-found`; `usage` for anything but a file; `damaged`
 */
export async function* readFile(request: ReadFileRequest, context: Context): AsyncGenerator<Uint8Array> {
  const { repository, path } = request
  await using stack = new AsyncDisposableStack()
  const backup = isOpen(request.backup)
    ? request.backup
    : stack.use(await openBackup(repository, request.backup, request.filter ?? {}, context))
  const shown = displayPath(path)
  const entry = await backup.index.find(path)
  if (path === '' || entry?.type === 'directory') {
    throw new Failure('usage', `"${shown || '.'}" is a directory.`, {
      remedy: '"freezer ls" lists it, "freezer dump" gives all that is in it.',
    })
  }
  if (entry === undefined) throw noSuchPath(path)
  const what = contentless[entry.type]
  if (what !== undefined) {
    const remedy =
      entry.type === 'symlink' ? `It leads to "${displayPath(entry.link)}": name that.` : undefined
    throw new Failure('usage', `"${shown}" is ${what} and has no content of its own.`, { remedy })
  }
  const select = { paths: [path], include: [], exclude: [] }
  for await (const extracted of extract({ ...request, backup, select }, context)) {
    if (entryPath(extracted.entry) !== path) continue
    if (extracted.failure !== undefined) throw extracted.failure
    yield* extracted.content()
    return
  }
  throw new Failure('damaged', `Nothing can be had of "${shown}".`)
}
