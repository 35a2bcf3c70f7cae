// What the program must do with any storage: levels that come back, and a backup that is killed. Tests for each kind of server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { json, programFile, scratchDirectory } from '../support/program.ts'
import { describeTree, differences, makeTree, mutateTree, removeTree, seeded } from '../support/tree.ts'

/** Where the files of the tests lie; removed when they have run. */
export interface Scratch {
  readonly path: string
  /** A file with the passphrase of the backups. */
  readonly passphrase: string
  /** Words that name the backups of the tests, and encrypt them. */
  readonly own: readonly string[]
  /** Writes a file, and gives its path. */
  file(name: string, text: string): string
  /** Makes a random tree, and gives its path. */
  tree(name: string, seed: number, entries?: number): string
}

export function scratchFor(name: string): Scratch {
  const { path: root } = scratchDirectory(name)
  after(() => removeTree(root))
  const file = (child: string, text: string) => {
    const full = path.join(root, child)
    fs.writeFileSync(full, text)
    return full
  }
  const passphrase = file('passphrase', 'a passphrase\n')
  return {
    path: root,
    passphrase,
    own: ['--encrypt-pass-file', passphrase, '--backup-name', 'n'],
    file,
    tree(child, seed, entries) {
      const full = path.join(root, child)
      fs.mkdirSync(full)
      makeTree(full, seeded(seed), entries)
      return full
    },
  }
}

/** That the newest backup in the container that `where` names, or that of `date`, is `tree`. */
export async function expectTree(
  { path: root, own }: Scratch,
  where: readonly string[],
  tree: ReturnType<typeof describeTree>,
  date?: string,
): Promise<void> {
  const target = fs.mkdtempSync(path.join(root, 'target-'))
  const when = date === undefined ? [] : ['--restore-from-date', date]
  await json('restore', target, ...where, ...own, ...when)
  assert.deepEqual(differences(tree, describeTree(target)), [])
  removeTree(target)
}

/** Declares a test: three levels of a random tree, each of which comes back. @param where the storage and a container of its own */
export function testLevels(scratch: Scratch, name: string, where: readonly string[]): void {
  test(`levels of a random tree come back: ${name}`, async () => {
    const source = scratch.tree(`source of ${name}`, name.length)
    const random = seeded(name.length + 1)
    const moments: [time: string, tree: ReturnType<typeof describeTree>][] = []
    for (const level of [0, 1, 2]) {
      const result = await json('backup', source, ...where, ...scratch.own, '--max-segment-size', '64K')
      assert.equal(result['level'], level)
      moments.push([String(result['time']), describeTree(source)])
      mutateTree(source, random)
    }
    for (const [time, tree] of moments) await expectTree(scratch, where, tree, time)
    const { backups } = (await json('list', ...where, ...scratch.own)) as { backups: readonly unknown[] }
    assert.equal(backups.length, 3)
  })
}

/** Declares a test: backups that are killed on their way leave a container that restores. @param where as for `testLevels` */
export function testKilledBackup(scratch: Scratch, where: readonly string[]): void {
  test('killed in the middle of a backup, the container restores, and the next backup works', async () => {
    const source = scratch.tree('victim', 7, 40)
    const words = ['backup', source, ...where, ...scratch.own, '--max-segment-size', '1M']
    await json(...words)
    const tree = describeTree(source)
    let killed = 0
    for (const milliseconds of [300, 500, 800, 1200, 1800]) {
      // More than any of these servers takes until then.
      fs.copyFileSync(process.execPath, path.join(source, `grown-${milliseconds}`))
      const child = spawn(process.execPath, [programFile, ...words, '--compression', 'none'], {
        stdio: 'ignore',
      })
      const ended = once(child, 'close')
      await Promise.race([pause(milliseconds), ended])
      child.kill('SIGKILL')
      const [, killedBy] = await ended
      if (killedBy !== 'SIGKILL') continue
      killed++
      await expectTree(scratch, where, tree)
    }
    assert.ok(killed >= 2, `${killed} backups were killed`)
    await json(...words)
    await expectTree(scratch, where, describeTree(source))
  })
}
