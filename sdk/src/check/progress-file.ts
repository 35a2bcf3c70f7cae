/**
 * What a check has verified, kept in a file so that the next one goes on where it ended, or with what was verified
 * longest ago. Small whatever the size of the container: ranges of blocks, those of one run joined.
 */
import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { Failure, fromSystem } from '../contracts/failures.ts'
import { Ranges } from './ranges.ts'

const format = 'freezer check'

/** Blocks from `first` up to and without `end` were verified at `time`, milliseconds since 1970. */
type Verified = readonly [first: number, end: number, time: number]

interface Content {
  readonly format: typeof format
  readonly version: 1
  /** When the round began that is under way: what was verified since is not read again; null between two. */
  readonly round: number | null
  /** By the id of the backup. */
  readonly verified: Readonly<Record<string, readonly Verified[]>>
}

export class ProgressFile {
  readonly #path: string | undefined
  readonly #now: number
  #round: number | undefined
  readonly #before = new Map<string, readonly Verified[]>()
  readonly #verified = new Map<string, Ranges>()
  #saving: Promise<void> = Promise.resolve()

  private constructor(path: string | undefined, now: number) {
    this.#path = path
    this.#now = now
  }

  /**
   * @param path none: nothing is kept
   * @param now milliseconds since 1970, the time of everything that this run verifies
   * @throws Failure `usage` for a file that is something else, `denied`
   */
  static async open(path: string | undefined, now: number): Promise<ProgressFile> {
    const file = new ProgressFile(path, now)
    if (path === undefined) return file
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      const failure = fromSystem(error, `read ${path}`)
      if (failure.code === 'not-found') return file
      throw failure
    }
    const content = parse(text, path)
    file.#round = content.round ?? undefined
    for (const [id, verified] of Object.entries(content.verified)) file.#before.set(id, verified)
    return file
  }

  /** Begins a round that reads everything once, unless one is under way. */
  beginRound(): void {
    this.#round ??= this.#now
  }

  endRound(): void {
    this.#round = undefined
  }

  /** Blocks of a backup that were verified in the round that is under way. */
  inRound(id: string): Ranges {
    const round = this.#round
    if (round === undefined) return new Ranges()
    const since = (this.#before.get(id) ?? []).filter(([, , time]) => time >= round)
    return new Ranges(since.map(([start, end]) => ({ start, end })))
  }

  /** When the block of them was verified that was verified longest ago; 0 for never. */
  oldest(id: string, start: number, end: number): number {
    const known = this.#before.get(id) ?? []
    const all = new Ranges(known.map(([first, last]) => ({ start: first, end: last })))
    if (!all.covers(start, end)) return 0
    return Math.min(...known.filter(([first, last]) => first < end && last > start).map(([, , time]) => time))
  }

  verified(id: string, block: number): void {
    let ranges = this.#verified.get(id)
    if (ranges === undefined) this.#verified.set(id, (ranges = new Ranges()))
    ranges.add({ start: block, end: block + 1 })
  }

  /** Forgets backups that are no more. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#before.keys()) if (!ids.has(id)) this.#before.delete(id)
  }

  /** Writes the file anew, whole or not at all. @throws Failure `denied`, `no-space` */
  save(): Promise<void> {
    const path = this.#path
    if (path === undefined) return Promise.resolve()
    const saved = this.#saving.then(() => writeWhole(path, `${JSON.stringify(this.#content())}\n`))
    this.#saving = saved.catch(() => {})
    return saved
  }

  #content(): Content {
    const verified: Record<string, readonly Verified[]> = {}
    for (const id of new Set([...this.#before.keys(), ...this.#verified.keys()])) {
      const now = this.#verified.get(id) ?? new Ranges()
      const before = (this.#before.get(id) ?? []).flatMap(([first, last, time]) =>
        [...new Ranges([{ start: first, end: last }]).without(now)].map(
          ({ start, end }): Verified => [start, end, time],
        ),
      )
      const added = [...now].map(({ start, end }): Verified => [start, end, this.#now])
      verified[id] = [...before, ...added].sort((a, b) => a[0] - b[0])
    }
    return { format, version: 1, round: this.#round ?? null, verified }
  }
}

function parse(text: string, path: string): Content {
  try {
    const value = JSON.parse(text) as Content
    const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0
    const sound =
      value.format === format &&
      value.version === 1 &&
      (value.round === null || whole(value.round)) &&
      Object.values(value.verified).every((ranges) =>
        ranges.every((range) => range.length === 3 && range.every(whole) && range[0] < range[1]),
      )
    if (sound) return value
  } catch {
    // Falls through: whatever it is, no check wrote it.
  }
  throw new Failure('usage', `${path} is not a file in which a check keeps what it verified.`, {
    remedy: 'Name another file, or remove this one to begin anew.',
  })
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await using file = await open(temporary, 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw fromSystem(error, `write ${path}`)
  }
}
