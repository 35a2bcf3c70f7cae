/** One page of an index, judged once for all backups that have it. */
import { compareDirectories, displayPath, type Entry, entryPath } from '../contracts/entry.ts'
import { Failure } from '../contracts/failures.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import type { StoredLevel } from '../repository/chain.ts'
import { pageLimit, readEntries } from '../repository/entries.ts'
import { sha256 } from '../repository/keys.ts'
import type { PageAddress } from '../repository/root.ts'

/** A place in walk order. */
interface Position {
  readonly directory: string
  readonly name: string
}

export interface SoundPage {
  readonly entries: number
  /** Bytes of content. */
  readonly bytes: number
  readonly last: Position
}

export type PageVerdict = SoundPage | { readonly failure: Failure }

/**
 * Reads a page and judges it.
 * @param lengths bytes of the archives of the levels that its entries may name
 * @throws Failure of the storage; damage is the verdict
 */
export async function judgePage(
  stored: StoredLevel,
  page: PageAddress,
  lengths: readonly number[],
): Promise<PageVerdict> {
  try {
    const bytes = await stored.readBlock('index', page, pageLimit)
    if (!sha256(bytes).equals(page.content))
      throw contradiction(page, 'it is not the page that the root names')
    return judge(readEntries(bytes), page, lengths)
  } catch (error) {
    if (!isDamage(error)) throw error
    return { failure: error }
  }
}

function judge(entries: readonly Entry[], page: PageAddress, lengths: readonly number[]): SoundPage {
  let bytes = 0
  let last: Entry | undefined
  for (const entry of entries) {
    if (last === undefined ? !same(entry, page) : !comesBefore(last, entry)) {
      throw contradiction(page, `${shown(entry)} is out of order`)
    }
    const { level, offset, length } = entry.place
    if (level > page.level || offset + length > (lengths[level] ?? 0)) {
      throw contradiction(page, `the place of ${shown(entry)} is beyond the end of its archive`)
    }
    if (entry.type === 'file') bytes += entry.size
    last = entry
  }
  if (last === undefined) throw contradiction(page, 'it is empty')
  return { entries: entries.length, bytes, last: { directory: last.directory, name: last.name } }
}

/** Whether `a` comes before `b` in walk order, and is not the same. */
export function comesBefore(a: Position, b: Position): boolean {
  const order = compareDirectories(a.directory, b.directory)
  return order < 0 || (order === 0 && a.name < b.name)
}

function same(a: Position, b: Position): boolean {
  return a.directory === b.directory && a.name === b.name
}

function contradiction(page: PageAddress, what: string): Failure {
  return new Failure('damaged', `A page of the index contradicts itself: ${what}.`, {
    facts: { from: displayPath(entryPath(page)), level: page.level },
  })
}

function shown(entry: Entry): string {
  return JSON.stringify(displayPath(entryPath(entry)).slice(0, 200))
}
