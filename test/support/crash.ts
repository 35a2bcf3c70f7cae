/** Backups that are killed, and what must hold afterwards. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { listAll, openExisting, treeAt } from './containers.ts'
import { json, run } from './program.ts'
import { describeTree, differences, mutateTree, seeded, type Tree } from './tree.ts'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'killed-backup.ts')

/** What opens the container of `killed-backup.ts` and of a `Victim`. */
const passphrase = 'a passphrase'

/** Runs a backup that is killed at its `call`-th storage call; the number of calls when it came to its end. */
export async function killedAt(source: string, container: string, call: number): Promise<number | undefined> {
  const { status, stdout, stderr } = await run(process.execPath, [program, source, container, String(call)])
  if (status === undefined) return undefined
  assert.equal(status, 0, stderr)
  return Number(stdout)
}

/** A container with its backups, and the trees that they must restore to. */
export class Victim {
  readonly source: string
  readonly container: string
  readonly #scratch: string
  readonly #options: readonly string[]
  /** Trees by the time of their backup. */
  readonly moments = new Map<string, Tree>()
  #changes = 0
  #mustBeThere = true

  constructor(scratch: string, source: string) {
    this.#scratch = scratch
    this.source = source
    this.container = path.join(scratch, 'container')
    const passFile = path.join(scratch, 'pass')
    fs.writeFileSync(passFile, `${passphrase}\n`)
    this.#options = [
      '--container',
      this.container,
      '--backup-name',
      'n',
      '--hostname',
      'h',
      '--encrypt-pass-file',
      passFile,
    ]
  }

  change(): void {
    mutateTree(this.source, seeded(900 + this.#changes++), 8)
  }

  /** The next backup, with no step by hand before it. */
  async backUp(): Promise<void> {
    const { time } = await json('backup', this.source, ...this.#options, '--max-level', '4')
    this.moments.set(String(time), describeTree(this.source))
  }

  /** The words of a backup that a test runs, and kills, itself. */
  get words(): readonly string[] {
    return ['backup', this.source, ...this.#options, '--max-level', '4', '--json']
  }

  /** No longer demands that every backup is still there. */
  forget(): void {
    this.#mustBeThere = false
  }

  /** Everything listed restores to its moment. Takes what a killed run managed to complete into account. */
  async expectWhole(last = 2): Promise<void> {
    const repository = await openExisting(this.container, passphrase)
    const listed = await listAll(repository)
    for (const time of this.#mustBeThere ? this.moments.keys() : [])
      assert.ok(
        listed.some((b) => b.time === time),
        `${time} is gone`,
      )
    for (const { time } of listed.slice(-last)) {
      const back = await treeAt(repository, this.#scratch, time)
      const expected = this.moments.get(time)
      if (expected !== undefined) assert.deepEqual(differences(expected, back), [], time)
    }
  }
}
