/** What differs between two backups, from their indexes alone. */
import { compareEntries, type Entry } from '../contracts/entry.ts'
import { throwIfAborted } from '../contracts/failures.ts'
import { PageCursor } from '../repository/page-cursor.ts'
import type { PageAddress } from '../repository/root.ts'
import type { LostPage } from '../repository/tree-index.ts'
import type { OpenBackup } from './open-backup.ts'

/**
 * What of an entry is not as it was. `content`: size or modification time of a file differ, which is how backups tell.
 * `link`: target of a symbolic link; whose other name it is, or that it is one. `mtime`: of anything but a file. `ctime`:
 * nothing else, so it is extended attributes, an ACL or the number of names, or nothing any more; told only of
 * backups of one host and name, where the change time means something.
 */
export type Aspect = 'type' | 'content' | 'mode' | 'owner' | 'link' | 'mtime' | 'ctime'

export type Difference =
  | { readonly change: 'added'; readonly after: Entry }
  | { readonly change: 'removed'; readonly before: Entry }
  | {
      readonly change: 'changed'
      readonly before: Entry
      readonly after: Entry
      readonly aspects: readonly Aspect[]
    }

export interface DiffRequest {
  readonly before: OpenBackup
  readonly after: OpenBackup
  /**
   * Told of a page of either index that is damaged; nothing is said of the paths on it then. Without it that is a
   * failure.
   */
  readonly lost?: ((page: PageAddress, backup: OpenBackup) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The differences in walk order. Pages that both indexes have are not read where both come to them together, so two
 * levels of a chain cost what changed between them.
 *
 * What was a directory and is none any more, or the other way, stands at two places of that order, and is told as
 * removed and added.
 * @throws Failure `damaged`
 */
export async function* diffBackups(request: DiffRequest): AsyncGenerator<Difference> {
  const { before, after, lost, signal } = request
  const shared = sharedContents(before, after)
  const needed = (page: PageAddress) => !shared.has(digestOf(page))
  const tell = (backup: OpenBackup): LostPage | undefined => lost && ((page) => lost(page, backup))
  const old = new PageCursor(before.chain, needed, tell(before))
  const now = new PageCursor(after.chain, needed, tell(after))
  const same = sameSource(before, after)
  const kept = sameChain(before, after)

  while (true) {
    while (old.page !== undefined && now.page !== undefined && digestOf(old.page) === digestOf(now.page)) {
      old.skip()
      now.skip()
    }
    const a = old.place
    const b = now.place
    if (a === undefined && b === undefined) return
    const order = a === undefined ? 1 : b === undefined ? -1 : compareEntries(a, b)
    // A page that turns out to be lost changes what comes next.
    const unread =
      (order <= 0 && old.page !== undefined ? old : undefined) ??
      (order >= 0 && now.page !== undefined ? now : undefined)
    if (unread !== undefined) {
      if (signal !== undefined) throwIfAborted(signal)
      await unread.load()
      continue
    }
    const gone = order <= 0 ? old.take() : undefined
    const come = order >= 0 ? now.take() : undefined
    if (gone === undefined && come !== undefined) {
      if (!inGap(old, come)) yield { change: 'added', after: come }
    } else if (come === undefined && gone !== undefined) {
      if (!inGap(now, gone)) yield { change: 'removed', before: gone }
    } else if (gone !== undefined && come !== undefined) {
      if (kept(gone, come)) continue
      const aspects = aspectsOf(gone, come, same)
      if (aspects.length > 0) yield { change: 'changed', before: gone, after: come, aspects }
    }
  }
}

function digestOf(page: PageAddress): string {
  return Buffer.from(page.content).toString('latin1')
}

/** Digests of the pages that both have. */
function sharedContents(before: OpenBackup, after: OpenBackup): ReadonlySet<string> {
  const here = new Set(before.chain.root.pages.map(digestOf))
  return new Set(after.chain.root.pages.map(digestOf).filter((digest) => here.has(digest)))
}

/** Whether nobody can say if the other backup has this one. */
function inGap({ gap }: PageCursor, entry: Entry): boolean {
  return (
    gap !== undefined &&
    compareEntries(entry, gap.from) >= 0 &&
    (gap.to === undefined || compareEntries(entry, gap.to) < 0)
  )
}

function sameSource({ manifest: a }: OpenBackup, { manifest: b }: OpenBackup): boolean {
  return a.host === b.host && a.name === b.name
}

/** Whether two entries have one record: then nothing of them changed. */
function sameChain({ chain: a }: OpenBackup, { chain: b }: OpenBackup): (x: Entry, y: Entry) => boolean {
  const common = a.levels.filter(({ id }, level) => b.levels[level]?.id === id).length
  return ({ place: x }, { place: y }) => x.level === y.level && x.offset === y.offset && x.level < common
}

function aspectsOf(a: Entry, b: Entry, same: boolean): Aspect[] {
  const aspects: Aspect[] = []
  // Another name of a file is a file.
  const [one, other] = [a, b].map(({ type }) => (type === 'hardlink' ? 'file' : type))
  const sameTime = a.mtime === b.mtime && a.mtimeNs === b.mtimeNs
  if (one !== other) aspects.push('type')
  else if (one === 'file') {
    const sameSize = a.type !== b.type || a.size === b.size
    if (!sameSize || !sameTime) aspects.push('content')
  } else if (!sameTime) aspects.push('mtime')
  if (a.mode !== b.mode) aspects.push('mode')
  if (a.uid !== b.uid || a.gid !== b.gid) aspects.push('owner')
  if (one === other && (a.type !== b.type || a.link !== b.link)) aspects.push('link')
  const known = a.ctimeNs !== -1 && b.ctimeNs !== -1
  const sameChange = a.ctime === b.ctime && a.ctimeNs === b.ctimeNs
  if (aspects.length === 0 && same && known && !sameChange) aspects.push('ctime')
  return aspects
}
