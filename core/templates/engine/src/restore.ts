// Brings back what was archived.
import fs from 'node:fs'
import {
  bytePath,
  displayPath,
  type EngineRestore,
  type Entry,
  entryPath,
  Failure,
  isFailure,
  type TreeTarget,
} from '@freezer/sdk'

const raw = (...parts: readonly string[]) => Buffer.from(parts.filter((p) => p !== '').join('/'), 'latin1')
const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
const look = (file: Buffer) => fs.lstatSync(file, { throwIfNoEntry: false })

class Restore {
  readonly #run: EngineRestore
  readonly #target: TreeTarget
  readonly #root: string
  readonly #temporary: Buffer
  readonly #directories = new Map<string, Entry>()
  readonly #held = new Set<string>()
  #written = 0

  constructor(run: EngineRestore, target: TreeTarget) {
    this.#run = run
    this.#target = target
    this.#root = bytePath(target.path)
    this.#temporary = raw(this.#root, `.restore-${process.pid}`)
  }

  async run(): Promise<void> {
    const { entries, signal } = this.#run
    fs.mkdirSync(this.#target.path, { recursive: true })
    try {
      while (await entries.more()) {
        for (let entry = entries.peek(); entry !== undefined; entry = entries.peek()) {
          entries.next()
          signal.throwIfAborted()
          await this.#entry(entry)
        }
      }
    } finally {
      fs.rmSync(this.#temporary, { force: true })
    }
    // From the deepest up: what happens in a directory changes its time.
    for (const [own, entry] of [...this.#directories].toReversed()) {
      if (this.#target.remove) this.#sweep(own)
      fs.chmodSync(raw(this.#root, own), entry.mode)
      fs.utimesSync(raw(this.#root, own), ...times(entry))
    }
  }

  async #entry(entry: Entry): Promise<void> {
    const own = entryPath(entry)
    this.#held.add(own)
    this.#written += entry.size
    if (this.#written > this.#run.promised) throw new Failure('hostile', 'More content than was promised.')
    const parent = parentOf(own)
    if (parent !== '' && !this.#directories.has(parent)) {
      return this.#unrestored(own, 'its directory was not restored')
    }
    const there = look(raw(this.#root, own))
    if (entry.type === 'directory' && there?.isDirectory()) {
      this.#directories.set(own, entry)
    } else if (there !== undefined && (!this.#target.overwrite || there.isDirectory())) {
      return this.#unrestored(own, 'something of that name is there')
    } else if (entry.type === 'directory') {
      fs.rmSync(raw(this.#root, own), { force: true })
      fs.mkdirSync(raw(this.#root, own))
      this.#directories.set(own, entry)
    } else {
      try {
        await this.#make(entry)
      } catch (error) {
        if (!isFailure(error) || error.code !== 'damaged') throw error
        return this.#unrestored(own, error.message)
      }
      fs.renameSync(this.#temporary, raw(this.#root, own))
    }
    this.#run.count(1, entry.size)
  }

  async #make(entry: Entry): Promise<void> {
    const temporary = this.#temporary
    fs.rmSync(temporary, { force: true })
    if (entry.type === 'symlink') {
      fs.symlinkSync(raw(entry.link), temporary)
      fs.lutimesSync(temporary, ...times(entry))
      return
    }
    const fd = fs.openSync(temporary, 'wx')
    try {
      const { level } = entry.place
      const offset = entry.place.offset + entry.place.length - entry.size
      for (let done = 0; done < entry.size; ) {
        const bytes = (await this.#run.archive.at(level, offset + done))?.subarray(0, entry.size - done)
        if (bytes === undefined) throw new Failure('damaged', 'The archive is too short.')
        fs.writeSync(fd, bytes)
        done += bytes.length
      }
      fs.fchmodSync(fd, entry.mode)
      fs.futimesSync(fd, ...times(entry))
    } finally {
      fs.closeSync(fd)
    }
  }

  #sweep(own: string): void {
    for (const name of fs.readdirSync(raw(this.#root, own), { encoding: 'latin1' })) {
      const path = own === '' ? name : `${own}/${name}`
      if (!this.#held.has(path)) fs.rmSync(raw(this.#root, path), { recursive: true })
    }
  }

  #unrestored(own: string, message: string): void {
    this.#run.warn({ kind: 'unrestored', path: displayPath(own), message })
  }
}

function times({ mtime, mtimeNs }: Entry): [string, string] {
  // As a number, Node would take a negative time for "now".
  const time = String(mtime + mtimeNs / 1e9)
  return [time, time]
}

export async function restore(run: EngineRestore): Promise<void> {
  if (run.target.kind !== 'tree') throw new Failure('plugin', 'Only trees.')
  await new Restore(run, run.target).run()
}
