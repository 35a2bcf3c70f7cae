/** Containers with one thing wrong, and what a restore makes of them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import { backup, isFailure, openRepository, quietContext, restore } from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { filesBelow } from './program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  type Random,
  removeTree,
  seeded,
  type Tree,
} from './tree.ts'

const passphrase = Buffer.from('a passphrase')

export interface Counts {
  /** Restores that failed with a typed failure; that ended and named what is damaged; that needed nothing damaged. */
  refused: number
  named: number
  unaffected: number
}

/** Looks at the container in a state that `what` describes. */
export type Expectation = (what: string) => Promise<void>

/** An encrypted, or plain, container with levels 0 to 2 of a small tree. */
export class Container {
  readonly #scratch: string
  readonly #encrypted: boolean
  readonly directory: string
  #expected: Tree = new Map()
  readonly counts: Counts = { refused: 0, named: 0, unaffected: 0 }

  constructor(scratch: string, encrypted: boolean) {
    this.#scratch = scratch
    this.#encrypted = encrypted
    this.directory = path.join(scratch, encrypted ? 'encrypted' : 'plain')
  }

  async fill(): Promise<void> {
    const source = fs.mkdtempSync(path.join(this.#scratch, 'source-'))
    makeTree(source, seeded(31), 30)
    fs.writeFileSync(path.join(source, 'noise'), randomBytes(2_300_000))
    for (let level = 0; level < 3; level++) {
      const context = quietContext()
      await backup(
        {
          repository: await this.open(true),
          engine: tar,
          source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
          host: 'h',
          name: 'n',
          mode: { name: 'fs', facts: {} },
          compression: { codec: zstd, options: {} },
          encryption: this.#encrypted ? { codec: aes256Gcm, options: {} } : undefined,
          levels: { incremental: true },
          segmentSize: 1_200_000,
        },
        context,
      )
      this.#expected = describeTree(source)
      mutateTree(source, seeded(level), 8)
    }
    removeTree(source)
  }

  get files(): string[] {
    return filesBelow(this.directory).map((file) => path.join(this.directory, file))
  }

  async open(create: boolean): ReturnType<typeof openRepository> {
    const { signal } = quietContext()
    const storage = await local.open({ container: this.directory }, quietContext(), { create })
    const secret = this.#encrypted ? { passphrase } : {}
    return openRepository({ storage, codecs: [zstd, aes256Gcm], ...secret, signal }, create)
  }

  /** Restores, and demands: a typed failure, or damage that is named, or the whole tree; and never a wrong byte. */
  async expectNoLie(what: string): Promise<void> {
    const target = path.join(this.#scratch, 'target')
    try {
      const repository = await this.open(false)
      const request = {
        repository,
        engines: [tar],
        target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }) as const,
        host: 'h',
        name: 'n',
        workers: 1,
      }
      const context = quietContext(AbortSignal.timeout(60_000))
      const result = await restore(request, context)
      const found = describeTree(target)
      if (result.damaged || result.unrestored > 0) {
        this.counts.named++
        this.#expectNothingWrong(found, what)
      } else {
        // The newest manifest may be what was removed: then the one before it is the newest.
        if (result.level === 2) assert.deepEqual(differences(this.#expected, found), [], what)
        this.counts.unaffected++
      }
    } catch (error) {
      if (!isFailure(error)) throw error
      assert.ok(
        ['damaged', 'hostile', 'key', 'not-found'].includes(error.code),
        `${what}: ${error.code} ${error.message}`,
      )
      this.counts.refused++
      if (fs.existsSync(target)) this.#expectNothingWrong(describeTree(target), what)
    } finally {
      if (fs.existsSync(target)) removeTree(target)
    }
  }

  #expectNothingWrong(found: Tree, what: string): void {
    for (const [name, { type, sha256, link }] of found) {
      const expected = this.#expected.get(name)
      assert.ok(expected !== undefined, `${what}: ${JSON.stringify(name)} should not be there`)
      assert.deepEqual(
        [type, sha256, link],
        [expected.type, expected.sha256, expected.link],
        `${what}: ${name}`,
      )
    }
  }

  /** Changes one blob, sees what comes of it, and puts it back. */
  async with(
    file: string,
    change: (bytes: Buffer) => Uint8Array | undefined,
    what: string,
    expect: Expectation = (how) => this.expectNoLie(how),
  ): Promise<void> {
    const whole = fs.readFileSync(file)
    const changed = change(Buffer.from(whole))
    if (changed === undefined) fs.rmSync(file)
    else fs.writeFileSync(file, changed)
    await expect(`${what} of ${path.relative(this.directory, file)}`)
    fs.writeFileSync(file, whole)
  }

  /** One bit of one blob, anywhere. */
  async flip(random: Random, file: string, expect?: Expectation): Promise<void> {
    const at = Math.floor(random() * fs.statSync(file).size)
    const bit = 1 << Math.floor(random() * 8)
    await this.with(
      file,
      (bytes) => {
        bytes[at] = (bytes[at] ?? 0) ^ bit
        return bytes
      },
      `flipped bit ${bit} at ${at}`,
      expect,
    )
  }

  /** Every blob cut short, removed, and swapped with each other of its kind. */
  async mistreat(file: string, expect: Expectation = (how) => this.expectNoLie(how)): Promise<void> {
    await this.with(file, (bytes) => bytes.subarray(0, bytes.length >> 1), 'truncation', expect)
    await this.with(file, (bytes) => bytes.subarray(0, -1), 'a lost last byte', expect)
    await this.with(file, (bytes) => Buffer.concat([bytes, bytes.subarray(0, 100)]), 'an appendix', expect)
    await this.with(file, () => undefined, 'removal', expect)
    const kind = (name: string): string => path.relative(this.directory, name).split(path.sep)[0] ?? ''
    for (const other of this.files.filter((name) => name > file && kind(name) === kind(file))) {
      const bytes = fs.readFileSync(file)
      const others = fs.readFileSync(other)
      fs.writeFileSync(file, others)
      fs.writeFileSync(other, bytes)
      await expect(`a swap of ${file} and ${other}`)
      fs.writeFileSync(file, bytes)
      fs.writeFileSync(other, others)
    }
  }
}
