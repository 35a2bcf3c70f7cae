/** The stored blocks and pages of one backup, brought over to another: verified, decoded, encoded anew. */
import { Failure } from '../contracts/failures.ts'
import { ahead } from '../pipeline/ahead.ts'
import type { BackupWriter } from '../pipeline/backup-writer.ts'
import { storedBlocks } from '../pipeline/block-runs.ts'
import type { StoredChain, StoredLevel } from '../repository/chain.ts'
import { pageLimit } from '../repository/entries.ts'
import { sha256 } from '../repository/keys.ts'
import type { CodecUse } from '../repository/manifest.ts'
import { type ArchiveBlock, decodeTablePage, type Root } from '../repository/root.ts'

/** Pages read at a time. */
const pagesAtOnce = 4

export interface Transcoding {
  /** The backup that is copied, with the levels below it. */
  readonly from: StoredChain
  readonly to: BackupWriter
  /** Codecs at the beginning whose work both have in common. */
  readonly kept: number
  /** Blocks under way at a time. */
  readonly blocks: number
  /** Tells how many stored bytes were read. */
  readonly onRead: (bytes: number) => void
}

/**
 * How many codecs from the first on do the same for both: what they made is taken over as it is.
 * @param compresses of which codecs that may be: those that do not depend on where a block stands
 */
export function inCommon(
  from: readonly CodecUse[],
  to: readonly CodecUse[],
  compresses: (name: string) => boolean,
): number {
  let kept = 0
  for (const use of from) {
    const other = to[kept]
    if (other === undefined || use.name !== other.name || !compresses(use.name)) break
    if (spelled(use.options) !== spelled(other.options)) break
    kept++
  }
  return kept
}

function spelled(options: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** @throws Failure `damaged`, `hostile` when the backup is not what was stored; of either storage */
export async function transcode({ from, to, kept, blocks, onRead }: Transcoding): Promise<void> {
  const level = from.levels.at(-1)
  if (level === undefined) throw new Error('A chain has no level.')
  const under: Promise<void>[] = []
  const decoded = ahead(storedBlocks(level, archiveBlocks(level, from.root)), blocks, async (one) => {
    if ('failure' in one) throw one.failure
    onRead(one.bytes.length)
    return { block: one.block, bytes: await level.decode('data', one.block, one.bytes, kept) }
  })
  for await (const { block, bytes } of decoded) {
    const added = to.block(bytes, { codecs: kept, size: block.size })
    // Met when its turn comes.
    added.catch(() => {})
    under.push(added)
    if (under.length >= blocks) await under.shift()
  }
  await Promise.all(under)

  const pages = ahead(from.root.pages, pagesAtOnce, async (page) => {
    // Those of lower levels are there already, unless somebody else wrote that level.
    if (page.level < from.levels.length - 1 && to.holdsPage(page.content)) return { page, bytes: undefined }
    const bytes = await from.readPage(page)
    if (!sha256(bytes).equals(page.content)) throw contradiction('a page is not the one that its root names')
    onRead(page.stored)
    return { page, bytes }
  })
  for await (const { page, bytes } of pages) {
    if (bytes === undefined) to.knownPage(page.content)
    else await to.page({ bytes, directory: page.directory, name: page.name })
  }
}

/** The blocks of the archive of one level. @throws Failure `damaged` for a table that contradicts itself */
async function* archiveBlocks(level: StoredLevel, root: Root): AsyncGenerator<ArchiveBlock> {
  let number = 0
  let start = 0
  for (const page of root.table) {
    for (const block of decodeTablePage(await level.readBlock('index', page, pageLimit))) {
      if (block.number !== number || block.start !== start)
        throw contradiction('the blocks of an archive do not follow one another')
      number++
      start += block.size
      yield block
    }
  }
}

function contradiction(what: string): Failure {
  return new Failure('damaged', `The index of a backup contradicts itself: ${what}.`)
}
