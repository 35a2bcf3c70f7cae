/**
 * Does random things with a container until it is killed: `node soak-worker.ts DIRECTORY NUMBER SEED`. What it did goes
 * line by line to a log, and what a backup will hold is written down before the backup begins, because the kill may
 * come right after it.
 */
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import {
  type BackupSummary,
  backup,
  isFailure,
  type LevelPolicy,
  listBackups,
  openRepository,
  pinBackup,
  prune,
  quietContext,
  type Repository,
  type RetentionPolicy,
  restore,
  unpinBackup,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { describeTree, makeTree, mutateTree, type Random, removeTree, seeded, type Tree } from './tree.ts'

/** The newest backups of a name, so many, are never removed by any policy of the soak. */
export const alwaysKept = 2
export const names = ['a', 'b'] as const
export const host = 'h'

/** One line of the log. */
export type SoakEvent =
  | { readonly did: 'backup'; readonly id: string; readonly name: string; readonly time: string }
  | { readonly did: 'pruning' }
  | { readonly did: 'prune'; readonly removed: readonly string[]; readonly freed: number }
  | { readonly did: 'restore' | 'list' | 'nothing to restore' }
  | { readonly did: 'pinning' | 'pin' | 'unpinning'; readonly id: string }
  | { readonly did: 'failed'; readonly what: string; readonly code: string }
  | { readonly did: 'wrong'; readonly what: string }

export function openSoakContainer(directory: string): Promise<Repository> {
  const context = quietContext()
  return local
    .open({ container: path.join(directory, 'container') }, context, { create: true })
    .then((storage) =>
      openRepository(
        { storage, codecs: [zstd, aes256Gcm], passphrase: Buffer.from('p'), signal: context.signal },
        true,
      ),
    )
}

/** Everything about a tree as one line. */
function fingerprint(tree: Tree): string {
  const lines = [...tree].map(([name, { blocks: _blocks, data: _data, ...rest }]) =>
    JSON.stringify([name, rest], (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
  )
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex')
}

/** The file in every tree that says which one it is. */
const marker = 'marker'

/** Restores the newest backup up to a moment and compares it with what was backed up. Undefined when all is right. */
export async function restoreAndCompare(
  repository: Repository,
  directory: string,
  name: string,
  before: Date,
): Promise<string | undefined> {
  const target = fs.mkdtempSync(path.join(directory, 'target-'))
  try {
    const result = await restore(
      {
        repository,
        engines: [tar],
        target: () => ({ kind: 'tree', path: target, overwrite: 'always', remove: true }),
        host,
        name,
        backup: { before },
      },
      quietContext(),
    )
    if (result.damaged || result.unrestored > 0) return `${result.id} is restored with damage`
    const token = fs.readFileSync(path.join(target, marker), 'utf8')
    const expected = fs.readFileSync(path.join(directory, 'model', token), 'utf8')
    return fingerprint(describeTree(target)) === expected
      ? undefined
      : `${result.id} restores to another tree`
  } finally {
    removeTree(target)
  }
}

class Worker {
  readonly #directory: string
  readonly #random: Random
  readonly #repository: Repository
  readonly #source: string
  readonly #log: number

  constructor(directory: string, number: string, seed: number, repository: Repository) {
    this.#directory = directory
    this.#random = seeded(seed)
    this.#repository = repository
    this.#source = path.join(directory, `source-${number}`)
    this.#log = fs.openSync(path.join(directory, `log-${number}`), 'a')
    if (!fs.existsSync(path.join(this.#source, marker))) {
      if (fs.existsSync(this.#source)) removeTree(this.#source)
      makeTree(this.#source, this.#random, 8)
    }
  }

  #tell(event: SoakEvent): void {
    fs.writeSync(this.#log, `${JSON.stringify(event)}\n`)
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T
  }

  async run(): Promise<void> {
    for (;;) {
      const roll = this.#random()
      if (roll < 0.35) await this.#guard('backup', ['unavailable'], () => this.#backUp())
      else if (roll < 0.7) await this.#guard('restore', ['not-found'], () => this.#restore())
      else if (roll < 0.88) await this.#guard('prune', [], () => this.#prune())
      else if (roll < 0.94) await this.#guard('list', [], () => this.#list())
      else await this.#guard('pin', ['not-found'], () => this.#pin())
    }
  }

  /** A failure that is not one of `codes` is a violation. */
  async #guard(what: string, codes: readonly string[], work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isFailure(error) && codes.includes(error.code))
        this.#tell({ did: 'failed', what, code: error.code })
      else
        this.#tell({ did: 'wrong', what: `${what}: ${error instanceof Error ? error.stack : String(error)}` })
    }
  }

  async #backUp(): Promise<void> {
    mutateTree(this.#source, this.#random, 2)
    const token = randomBytes(8).toString('hex')
    const file = path.join(this.#source, marker)
    fs.rmSync(file, { force: true, recursive: true })
    fs.writeFileSync(file, token)
    // A rename, so that a kill leaves no half of it.
    const model = path.join(this.#directory, 'model', token)
    fs.writeFileSync(`${model}.new`, fingerprint(describeTree(this.#source)))
    fs.renameSync(`${model}.new`, model)
    const name = this.#pick(names)
    const { id, time, unread, changed } = await backup(
      {
        repository: this.#repository,
        engine: tar,
        source: { kind: 'tree', path: this.#source, exclude: [], oneFileSystem: false, dereference: 'none' },
        host,
        name,
        mode: { name: 'fs', facts: {} },
        compression: { codec: zstd, options: {} },
        encryption: { codec: aes256Gcm, options: {} },
        levels: this.#levels(),
        segmentSize: 65_536,
      },
      quietContext(),
    )
    if (unread + changed > 0) throw new Error('Entries were unread, or changed.')
    this.#tell({ did: 'backup', id, name, time })
  }

  #levels(): LevelPolicy {
    const level = 1 + Math.floor(this.#random() * 4)
    return this.#pick<LevelPolicy>([
      { incremental: true },
      { incremental: true },
      { incremental: true, maxLevel: level },
      { incremental: true, alwaysLevel: level },
      { incremental: false },
    ])
  }

  async #listed(): Promise<BackupSummary[]> {
    const found = await Array.fromAsync(listBackups(this.#repository, {}, quietContext().signal))
    return found.filter((one): one is BackupSummary => {
      if ('failure' in one) this.#tell({ did: 'wrong', what: `damaged manifest ${one.manifest}` })
      return !('failure' in one)
    })
  }

  async #restore(): Promise<void> {
    const listed = await this.#listed()
    if (listed.length === 0) return this.#tell({ did: 'nothing to restore' })
    const { name, time } = this.#pick(listed)
    const what = await restoreAndCompare(this.#repository, this.#directory, name, new Date(time))
    this.#tell(what === undefined ? { did: 'restore' } : { did: 'wrong', what })
  }

  async #prune(): Promise<void> {
    const one = () => 1 + Math.floor(this.#random() * 3)
    const keepLast = alwaysKept + Math.floor(this.#random() * 8)
    const policy = this.#pick<RetentionPolicy>([
      { keepLast },
      { keepLast },
      { keepLast, keepHourly: one() },
      { keepLast, removeOlderThan: (this.#random() * 20) / 86_400 },
      { keepLast, removeBefore: new Date(Date.now() - this.#random() * 20_000) },
      {},
    ])
    const garbageAfter = this.#random() < 0.15 ? 0 : 2
    const scope = this.#random() < 0.5 ? { host, name: this.#pick(names) } : {}
    this.#tell({ did: 'pruning' })
    const { decisions, freed } = await prune(
      { repository: this.#repository, policy, garbageAfter, ...scope },
      quietContext(),
    )
    const removed = decisions.filter(({ keep }) => !keep).map(({ backup: { id } }) => id)
    this.#tell({ did: 'prune', removed, freed })
  }

  async #list(): Promise<void> {
    await this.#listed()
    this.#tell({ did: 'list' })
  }

  async #pin(): Promise<void> {
    const listed = await this.#listed()
    if (listed.length === 0) return
    const { id } = this.#pick(listed)
    const { signal } = quietContext()
    if (this.#random() < 0.6) {
      this.#tell({ did: 'unpinning', id })
      await unpinBackup(this.#repository, id, signal)
      return
    }
    this.#tell({ did: 'pinning', id })
    await pinBackup(this.#repository, id, Date.now(), signal)
    this.#tell({ did: 'pin', id })
  }
}

if (import.meta.main) {
  const [directory, number, seed] = process.argv.slice(2)
  if (directory === undefined || number === undefined) throw new Error('usage: DIRECTORY NUMBER SEED')
  await new Worker(directory, number, Number(seed), await openSoakContainer(directory)).run()
}
