/** The structure of the backups of one chain. What they share is read once. */
import { displayPath, type Entry, entryPath } from '../contracts/entry.ts'
import { Failure, type FailureRecord, toRecord } from '../contracts/failures.ts'
import { ahead } from '../pipeline/ahead.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import type { Coders } from '../pipeline/coders.ts'
import { StoredLevel } from '../repository/chain.ts'
import { pageLimit, readEntries } from '../repository/entries.ts'
import type { RepositoryKey } from '../repository/keys.ts'
import type { CodecUse, Manifest } from '../repository/manifest.ts'
import type { BackupName } from '../repository/names.ts'
import type { Repository } from '../repository/repository.ts'
import type { BlockAddress, PageAddress, Root } from '../repository/root.ts'
import type { SegmentSizes } from '../repository/segment-sizes.ts'
import { ArchiveCheck, type OnRead } from './archive.ts'
import { comesBefore, judgePage, type PageVerdict } from './page.ts'

/** Pages of an index read at a time. */
const pagesAtOnce = 8

/** A backup with its manifest. */
export interface ListedBackup {
  readonly name: BackupName
  readonly manifest: Manifest
}

/** A part of a backup's index that cannot be had: entries from one path up to, and without, another. */
export interface LostEntries {
  readonly from: string
  readonly before?: string | undefined
}

export class BackupCheck {
  readonly backup: ListedBackup
  /** By level; the last is its own. None of a backup that cannot be opened. */
  archives: readonly ArchiveCheck[] = []
  root: Root | undefined
  readonly lostPages = new Set<PageAddress>()
  readonly lost: LostEntries[] = []
  readonly failures: FailureRecord[] = []

  constructor(backup: ListedBackup) {
    this.backup = backup
  }

  /** What is wrong with it, in all that a restore would read. */
  get allFailures(): FailureRecord[] {
    return [...new Set([...this.failures, ...this.archives.flatMap(({ failures }) => failures)])]
  }
}

export interface ChainSurroundings {
  readonly repository: Repository
  readonly segments: SegmentSizes
  /** Ids of all backups that are listed. */
  readonly listed: ReadonlySet<string>
  readonly onRead: OnRead
  readonly signal: AbortSignal
}

export class ChainCheck {
  readonly #around: ChainSurroundings
  readonly #coders: Coders
  readonly #archives = new Map<string, Promise<ArchiveCheck>>()
  readonly #verdicts = new Map<string, Promise<PageVerdict>>()

  constructor(around: ChainSurroundings, coders: Coders) {
    this.#around = around
    this.#coders = coders
  }

  /** @throws Failure of the storage, `plugin`; damage is kept */
  async check(backup: ListedBackup): Promise<BackupCheck> {
    const { manifest } = backup
    const check = new BackupCheck(backup)
    const key = this.#around.repository.keyOf(manifest)
    const address = { ...manifest.root, digest: Buffer.from(manifest.root.digest, 'hex') }
    const own = await this.#archive(
      { id: manifest.id, codecs: manifest.codecs, root: address },
      manifest.level,
      key,
    )
    try {
      check.root = await own.stored.root()
      checkAncestry(manifest, check.root)
    } catch (error) {
      if (!isDamage(error)) throw error
      check.failures.push(toRecord(error))
      check.root = undefined
      return check
    }
    const archives: ArchiveCheck[] = []
    for (const [level, ancestor] of check.root.ancestors.entries()) {
      const id = Buffer.from(ancestor.id).toString('hex')
      archives.push(await this.#archive({ ...ancestor, id }, level, key))
      if (!this.#around.listed.has(id)) check.failures.push(toRecord(unlisted(id, level)))
    }
    archives.push(own)
    check.archives = archives
    if (own.failures.length === 0 && !agrees(own, manifest)) {
      check.failures.push(
        toRecord(new Failure('damaged', 'The manifest and the block table of a backup disagree.')),
      )
    }
    await this.#pages(check, check.root)
    return check
  }

  /** What is damaged of a backup reads again: the entries that lie there. */
  async *entries(check: BackupCheck): AsyncGenerator<readonly Entry[]> {
    const sound = (check.root?.pages ?? []).filter((page) => !check.lostPages.has(page))
    yield* ahead(sound, pagesAtOnce, async (page) =>
      readEntries(await archiveOf(check, page).stored.readBlock('index', page, pageLimit)),
    )
  }

  #archive(
    { id, codecs, root }: { id: string; codecs: readonly CodecUse[]; root: BlockAddress },
    level: number,
    key: RepositoryKey | undefined,
  ): Promise<ArchiveCheck> {
    const name = `${id} ${Buffer.from(root.digest).toString('hex')}`
    let archive = this.#archives.get(name)
    if (archive === undefined) {
      const { repository, segments, onRead, signal } = this.#around
      const open = (of: string, uses: readonly CodecUse[]) =>
        this.#coders.chain(repository.coderSetup(of, uses, key))
      const check = new ArchiveCheck(
        new StoredLevel(repository.storage, open, { id, codecs, root }, signal),
        level,
      )
      archive = check.examine(segments, onRead).then(() => check)
      this.#archives.set(name, archive)
    }
    return archive
  }

  async #pages(check: BackupCheck, root: Root): Promise<void> {
    const { tree } = check.backup.manifest
    const lengths = check.archives.map(({ length }) => length)
    let entries = 0
    let bytes = 0
    let last: { directory: string; name: string } | undefined
    let at = 0
    for await (const verdict of ahead(root.pages, pagesAtOnce, (page) =>
      this.#verdict(check, page, lengths),
    )) {
      const page = root.pages[at++] as PageAddress
      let failure = 'failure' in verdict ? verdict.failure : undefined
      if (failure === undefined && last !== undefined && !comesBefore(last, page)) {
        failure = new Failure('damaged', 'The pages of an index are out of order.', {
          facts: { level: page.level },
        })
      }
      if (failure !== undefined || 'failure' in verdict) {
        check.lostPages.add(page)
        if (failure !== undefined) check.failures.push(toRecord(failure))
        const next = root.pages[at]
        const before = next === undefined ? {} : { before: displayPath(entryPath(next)) }
        check.lost.push({ from: displayPath(entryPath(page)), ...before })
        continue
      }
      entries += verdict.entries
      bytes += verdict.bytes
      last = verdict.last
    }
    if (check.lostPages.size === 0 && (entries !== tree.entries || bytes !== tree.bytes)) {
      const message = 'The index and the manifest of a backup disagree about how large the tree is.'
      check.failures.push(toRecord(new Failure('damaged', message, { facts: { entries, bytes } })))
    }
  }

  #verdict(check: BackupCheck, page: PageAddress, lengths: readonly number[]): Promise<PageVerdict> {
    const archive = check.archives[page.level]
    if (archive === undefined) {
      const failure = new Failure('damaged', 'The index names a level that the chain does not have.')
      return Promise.resolve({ failure })
    }
    const digest = Buffer.from(page.digest.buffer, page.digest.byteOffset, 16).toString('latin1')
    const name = `${archive.stored.id}${digest}${page.number}`
    let verdict = this.#verdicts.get(name)
    if (verdict === undefined) {
      verdict = judgePage(archive.stored, page, lengths)
      this.#verdicts.set(name, verdict)
      this.#around.onRead(page.stored)
    }
    return verdict
  }
}

function archiveOf(check: BackupCheck, page: PageAddress): ArchiveCheck {
  const archive = check.archives[page.level]
  if (archive === undefined) throw new Error('A page that was found sound has no archive.')
  return archive
}

/** @throws Failure `damaged` when the root names other levels than the manifest */
function checkAncestry({ level, chain, parent }: Manifest, { ancestors }: Root): void {
  const ids = ancestors.map(({ id }) => Buffer.from(id).toString('hex'))
  if (ids.length === level && (level === 0 || (ids[0] === chain && ids.at(-1) === parent))) return
  throw new Failure('damaged', 'The index and the manifest of a backup disagree about the levels below it.')
}

function agrees({ length, blocks }: ArchiveCheck, { archive }: Manifest): boolean {
  return archive.bytes === length && archive.blocks === blocks
}

function unlisted(id: string, level: number): Failure {
  return new Failure('damaged', `Level ${level}, which this backup builds on, has lost its manifest.`, {
    remedy: 'What is stored of it can still be read: copy what builds on it, or begin a new chain.',
    facts: { backup: id },
  })
}
