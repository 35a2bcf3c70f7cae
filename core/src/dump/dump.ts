/** A folder of a backup as one stream. */
import type { Context, Engine, OpenBackup, Repository } from '@freezer/sdk'
import { entryPath, extract, Failure, isFailure, listEntries } from '@freezer/sdk'
import { count } from '../output/text.ts'
import { Losses, type Member, membersOf } from './members.ts'

export interface DumpRequest {
  readonly repository: Repository
  /** Every engine that stored backups may need. */
  readonly engines: readonly Engine[]
  readonly backup: OpenBackup
  /** Byte string, relative to the root of the tree. */
  readonly path: string
  readonly format: 'tar' | 'zip'
}

export interface Dump {
  /** @throws Failure `not-found`; `refused` for what a zip archive cannot hold; `damaged` */
  readonly archive: AsyncIterable<Uint8Array>
  /** Once the archive was read: why it is not all that was asked for. */
  readonly outcome: () => Failure | undefined
}

export function dump(request: DumpRequest, context: Context): Dump {
  const losses = new Losses(context)
  return { archive: archiveOf(request, losses), outcome: () => outcomeOf(losses) }
}

async function* archiveOf(request: DumpRequest, losses: Losses): AsyncGenerator<Uint8Array> {
  const { path, format } = request
  const take = (paths: readonly string[], top: string): AsyncGenerator<Member> => {
    const select = { paths, include: [], exclude: [] }
    const extracted = extract({ ...request, filter: {}, select }, losses.context())
    return membersOf(extracted, top, losses)
  }
  const members = take([path], path)
  if (format === 'tar') yield* (await import('./tar.ts')).tarArchive(members, losses)
  else {
    const { ZipSize, zipArchive } = await import('./zip.ts')
    await checkSize(request, new ZipSize())
    yield* zipArchive(members, (paths) => onlyLinks(take(paths, ''), new Set(paths)), losses)
  }
}

/** Of what is taken to have `paths`, the directories above them come too. */
async function* onlyLinks(
  members: AsyncIterable<Member>,
  paths: ReadonlySet<string>,
): AsyncGenerator<Member> {
  for await (const member of members) if (paths.has(member.path)) yield member
}

/** Adds up what is going to be in an archive, from the index. */
async function checkSize(
  { backup, path }: DumpRequest,
  size: { add(path: string, bytes: number): void },
): Promise<void> {
  for await (const entry of listEntries(backup, { path, recursive: true, lost: () => {} })) {
    const file = entry.type === 'hardlink' ? await backup.index.find(entry.link).catch(onlyDamaged) : entry
    size.add(entryPath(entry), file?.size ?? 0)
  }
}

function outcomeOf({ damaged, inexpressible }: Losses): Failure | undefined {
  if (damaged > 0) {
    return new Failure(
      'damaged',
      'Stored data is damaged, so not all that was asked for is in the archive.',
      {
        remedy: 'What is missing was named above; all else is whole.',
      },
    )
  }
  if (inexpressible === 0) return undefined
  return new Failure(
    'incomplete',
    `${count(inexpressible)} of the entries are not in the archive as they were, because it cannot hold them.`,
    { remedy: 'Each was named above; restore the backup to have everything.' },
  )
}

/** What is damaged is told when it is taken. */
function onlyDamaged(error: unknown): undefined {
  if (!isFailure(error) || error.code !== 'damaged') throw error
}
