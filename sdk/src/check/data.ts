/** Reading the archive of one level: every block is compared, authenticated and decoded, every record parsed. */
import type { Engine } from '../contracts/engine.ts'
import type { Entry } from '../contracts/entry.ts'
import { Failure, fromRecord, throwIfAborted } from '../contracts/failures.ts'
import { release } from '../contracts/memory.ts'
import { storedBlocks } from '../pipeline/block-runs.ts'
import { BlockServer } from '../pipeline/block-server.ts'
import { EngineThread } from '../pipeline/engine-host.ts'
import type { Lot } from '../pipeline/engine-messages.ts'
import { type Page, PageWriter, pageLimit, readEntries } from '../repository/entries.ts'
import type { Manifest } from '../repository/manifest.ts'
import { type ArchiveBlock, decodeTablePage, type PageAddress } from '../repository/root.ts'
import type { ArchiveCheck } from './archive.ts'
import { Ranges } from './ranges.ts'

/** Blocks that are read and not yet verified. */
const window = 14
const blockSize = 2 ** 20

export interface DataRun {
  readonly archive: ArchiveCheck
  /** Numbers of the blocks to read. */
  readonly blocks: Ranges
  /** Whether all of the archive is to be read, or was: then records that begin in what was read before count too. */
  readonly whole: boolean
  /** The backup whose archive it is, its own pages, and its engine; undefined where records are not to be parsed. */
  readonly records:
    | { readonly manifest: Manifest; readonly pages: readonly PageAddress[]; readonly engine: Engine }
    | undefined
  /** Tells of each block that was read: stored bytes, and whether it and all that ends in it are sound. */
  readonly onBlock: (block: ArchiveBlock, sound: boolean) => void
  readonly signal: AbortSignal
}

/** @throws Failure of the storage; damage is kept with the archive */
export async function readArchive(run: DataRun): Promise<void> {
  try {
    const done = run.records === undefined ? new Ranges() : await parseRecords(run, run.records)
    await verifyBlocks(run, run.blocks.without(done))
  } catch (error) {
    // What the index said a moment ago it does not say now.
    run.archive.lose(0, 0, error)
  }
}

/** Blocks by number, from the table. */
async function* blocksOf(
  { table, stored, blocks }: ArchiveCheck,
  numbers: Ranges,
): AsyncGenerator<ArchiveBlock> {
  for (const [at, page] of table.entries()) {
    if (!numbers.meets(page.firstBlock, table[at + 1]?.firstBlock ?? blocks)) continue
    for (const block of decodeTablePage(await stored.readBlock('index', page, pageLimit))) {
      if (numbers.covers(block.number, block.number + 1)) yield block
    }
  }
}

/** Reads and verifies blocks that are not known to be missing. */
async function verifyBlocks({ archive, onBlock, signal }: DataRun, numbers: Ranges): Promise<void> {
  const verifying = new Set<Promise<void>>()
  const verify = async (block: ArchiveBlock, bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    try {
      release(await archive.stored.decode('data', block, bytes))
      onBlock(block, true)
    } catch (error) {
      archive.lose(block.start, end(block), error)
      onBlock(block, false)
    }
  }
  try {
    for await (const one of storedBlocks(archive.stored, present(archive, blocksOf(archive, numbers)))) {
      throwIfAborted(signal)
      if ('failure' in one) {
        archive.lose(one.block.start, end(one.block), one.failure)
        onBlock(one.block, false)
        continue
      }
      const work = verify(one.block, one.bytes).finally(() => verifying.delete(work))
      work.catch(() => {})
      verifying.add(work)
      if (verifying.size >= window) await Promise.race(verifying)
    }
    await Promise.all(verifying)
  } finally {
    await Promise.allSettled(verifying)
  }
}

async function* present(
  archive: ArchiveCheck,
  blocks: AsyncIterable<ArchiveBlock>,
): AsyncGenerator<ArchiveBlock> {
  for await (const block of blocks) if (!archive.misses(block.start, block.size)) yield block
}

/** Lets the engine read the records of this level's own archive; the numbers of the blocks that this read. */
async function parseRecords(run: DataRun, records: NonNullable<DataRun['records']>): Promise<Ranges> {
  const { archive, signal } = run
  const { manifest, engine } = records
  const wanted = await wantedPlaces(run)
  const pages = ownRecords(run, records.pages, wanted)
  const first = await pages.next()
  if (first.done === true) return new Ranges()

  await using thread = new EngineThread(engine)
  const read = new Ranges()
  /** Blocks that the engine has, or had, and that end in a record which it has not read yet. */
  let held: ArchiveBlock[] = []
  /** Tells of the blocks that end at `upTo` or before: all that begins in them was read. */
  const tell = (upTo: number): void => {
    const [ended, others] = [held.filter((b) => end(b) <= upTo), held.filter((b) => end(b) > upTo)]
    held = others
    for (const block of ended) {
      const known = read.covers(block.number, block.number + 1)
      read.add({ start: block.number, end: block.number + 1 })
      if (known || !run.blocks.covers(block.number, block.number + 1)) continue
      run.onBlock(block, !archive.misses(block.start, block.size))
    }
  }
  const onBlock = (block: ArchiveBlock, failure: Failure | undefined): void => {
    if (failure !== undefined) archive.lose(block.start, end(block), failure)
    held.push(block)
  }
  const blocks = new BlockServer(ownLevelOnly(archive), { window }, () => {}, onBlock)
  // The engine asks for pages ahead; each question waits for its turn.
  let page = Promise.resolve<Uint8Array<ArrayBuffer> | undefined>(first.value)
  const lots = new LotReader(archive)
  try {
    await thread.run(
      {
        options: manifest.engine.options,
        job: {
          verb: 'restore',
          target: { kind: 'entries', content: true },
          promised: manifest.tree.bytes,
          listing: false,
        },
        blockSize,
        blocks: 1,
      },
      {
        more: () => {
          const asked = page
          page = asked.then(async () => (await pages.next()).value)
          // Met by who asks for it.
          page.catch(() => {})
          return asked
        },
        plan: (places, send) => blocks.plan(places, send),
        need: (level, offset, seen, send) => blocks.need(level, offset, seen, send),
        taken: (count, send) => blocks.taken(count, send),
        lot: async (lot) => tell(lots.take(lot)),
        warning: () => {},
        count: () => {},
      },
      signal,
    )
  } catch (error) {
    // Whoever forged it: nothing of this archive is to be believed.
    archive.lose(0, 0, error)
    return read
  }
  tell(Number.POSITIVE_INFINITY)
  return read
}

function end(block: ArchiveBlock): number {
  return block.start + block.size
}

/** Bytes of the archive whose records are to be parsed. */
async function wantedPlaces({ archive, blocks }: DataRun): Promise<Ranges> {
  const wanted = new Ranges()
  for await (const block of blocksOf(archive, blocks)) wanted.add({ start: block.start, end: end(block) })
  return wanted
}

/**
 * Pages with the entries whose records are to be parsed. An entry with a place at this level cannot be on a page of a
 * lower one.
 */
async function* ownRecords(
  { archive, whole }: DataRun,
  pages: readonly PageAddress[],
  wanted: Ranges,
): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
  let full: Page[] = []
  const writer = new PageWriter((page) => full.push(page))
  let directory: string | undefined
  for (const page of pages) {
    for (const entry of readEntries(await archive.stored.readBlock('index', page, pageLimit))) {
      if (!isWanted(entry, archive, wanted, whole)) continue
      // A page says the directory of its first entry; further on only a directory's own entry does.
      if (entry.type !== 'directory' && entry.directory !== directory) writer.end()
      writer.add(entry)
      directory = entry.directory
    }
    for (const { bytes } of full) yield bytes
    full = []
  }
  writer.end()
  for (const { bytes } of full) yield bytes
  return undefined
}

function isWanted(entry: Entry, archive: ArchiveCheck, wanted: Ranges, whole: boolean): boolean {
  const { level, offset, length } = entry.place
  if (level !== archive.level || entry.type === 'hardlink' || archive.misses(offset, length)) return false
  return whole ? wanted.meets(offset, offset + length) : wanted.covers(offset, offset + length)
}

/** What a block server needs of a chain, when nothing lower is going to be read. */
function ownLevelOnly(archive: ArchiveCheck): ConstructorParameters<typeof BlockServer>[0] {
  return {
    level: (level) => {
      if (level === archive.level) return archive.stored
      throw new Failure('damaged', 'An entry lies at another level than it says.')
    },
  }
}

/** Follows the entries that the engine read: how far it is, and which of them are damaged. */
class LotReader {
  readonly #archive: ArchiveCheck
  #entry: Entry | undefined
  #upTo = 0

  constructor(archive: ArchiveCheck) {
    this.#archive = archive
  }

  /** Where the record ends that was read last, in bytes of the archive. */
  take({ parts }: Lot): number {
    for (const part of parts) {
      if (part.type === 'begin') this.#entry = part.entry
      if (part.type === 'write' || this.#entry === undefined) continue
      const { offset, length } = this.#entry.place
      if (part.failure !== undefined) this.#archive.lose(offset, offset + length, fromRecord(part.failure))
      if (part.type === 'end') this.#upTo = offset + length
    }
    return this.#upTo
  }
}
