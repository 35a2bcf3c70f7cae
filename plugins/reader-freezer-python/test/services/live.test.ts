// Backups that the real program makes of a tree that changes, at several levels, restored and compared with what was there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { installPackages } from '../../../../test/services/service.ts'
import { listening, openForeign, openLocal, restoreForeign } from '../../../../test/support/foreign.ts'
import { json, scratchDirectory } from '../../../../test/support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  seeded,
  type Tree,
} from '../../../../test/support/tree.ts'

installPackages('python3-freezer', 'bzip2', 'xz-utils')
const scratch = scratchDirectory('foreign-live')
after(scratch.remove)

/** The program wants to log in somewhere, and does so only when it has to. */
const nowhere = {
  OS_AUTH_URL: 'http://127.0.0.1:9/v3',
  OS_USERNAME: 'nobody',
  OS_PASSWORD: 'nothing',
  OS_PROJECT_NAME: 'none',
  OS_USER_DOMAIN_NAME: 'Default',
  OS_PROJECT_DOMAIN_NAME: 'Default',
}

function backUp(source: string, container: string, options: readonly string[]): void {
  const words = ['--action', 'backup', '--mode', 'fs', '--storage', 'local', '--container', container]
  const whose = ['--path-to-backup', source, '--backup-name', 'golden', '--hostname', 'host1']
  const log = ['--log-file', path.join(scratch.path, 'log')]
  // By its path: a program of ours has the same name.
  const { status, stdout, stderr } = spawnSync(
    '/usr/bin/freezer-agent',
    [...words, ...whose, ...log, ...options],
    {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: scratch.path, ...nowhere },
      timeout: 60_000,
    },
  )
  assert.equal(status, 0, `${stdout}${stderr}`)
}

/** GNU's format keeps whole seconds, no attributes, and holes as zeros. */
function kept(tree: Tree): Tree {
  const second = 1_000_000_000n
  for (const entry of tree.values()) entry.mtime -= ((entry.mtime % second) + second) % second
  return tree
}

const passFile = path.join(scratch.path, 'pass')
fs.writeFileSync(passFile, 'a pass phrase ü\n')

for (const [number, { compression, encrypt, levels }] of [
  { compression: 'gzip', encrypt: true, levels: ['--max-level', '4'] },
  { compression: 'bzip2', encrypt: false, levels: ['--always-level', '2'] },
  { compression: 'xz', encrypt: true, levels: ['--always-level', '1'] },
].entries()) {
  test(`${compression}, ${encrypt ? 'encrypted' : 'plain'}, ${levels.join(' ')}`, async () => {
    const source = path.join(scratch.path, `source-${number}`)
    const container = path.join(scratch.path, `container-${number}`)
    const random = seeded(number + 300)
    makeTree(source, random, 120)
    const trees: Tree[] = []
    for (let run = 0; run < 5; run++) {
      trees.push(kept(describeTree(source)))
      const pass = encrypt ? ['--encrypt-pass-file', passFile] : []
      backUp(source, container, ['--compression', compression, ...levels, ...pass])
      await pause(1200)
      mutateTree(source, random, 30)
      // One of each of what increments get wrong.
      const odd = path.join(source, 'odd')
      fs.rmSync(odd, { recursive: true, force: true })
      if (run % 2 === 0) fs.mkdirSync(path.join(odd, 'was a directory'), { recursive: true })
      else fs.writeFileSync(odd, `was a file ${run}`)
      await pause(1200)
    }
    const storage = await openLocal(container)
    const passphrase = encrypt ? 'a pass phrase ü' : undefined
    await using repository = await openForeign(storage, listening().context, passphrase)
    const backups = [...(await repository.backups()).values()]
    assert.equal(backups.length, trees.length)
    const copy = path.join(scratch.path, `copy-${number}`)
    const pass = encrypt ? ['--encrypt-pass-file', passFile] : []
    await json('copy', '--container', container, ...pass, '--to-container', copy)
    for (const [at, backup] of backups.entries()) {
      const before = { before: new Date(backup.time) }
      const back = path.join(scratch.path, `back-${number}-${at}`)
      const restored = await restoreForeign(storage, back, {
        backup: before,
        ...(passphrase === undefined ? {} : { passphrase }),
      })
      assert.deepEqual(restored, { code: undefined, lost: [], message: '' })
      const copied = `${back}-copy`
      const date = new Date(backup.time).toISOString()
      const whose = ['-N', 'golden', '--hostname', 'host1', '--restore-from-date', date]
      await json('restore', copied, '--container', copy, ...whose)
      for (const directory of [back, copied]) {
        const lost = ['attributes', 'data', 'sameAs'] as const
        assert.deepEqual(differences(trees[at]!, kept(describeTree(directory)), lost), [], `run ${at}`)
      }
    }
  })
}
