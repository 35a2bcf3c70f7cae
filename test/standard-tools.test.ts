// What docs/format.md promises: with compression alone, standard tools unpack the archive of every level.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { filesBelow, json, run, scratchDirectory } from './support/program.ts'
import { describeTree, differences, makeTree, mutateTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('standard-tools')
after(() => removeTree(scratch.path))

const unpack = { zstd: 'zstd -d -q', gzip: 'gunzip', bzip2: 'bunzip2', xz: 'xz -d', none: 'cat' }

for (const [compression, program] of Object.entries(unpack)) {
  test(`cat segments | ${program} | tar --incremental`, async () => {
    const random = seeded(compression.length * 31 + 7)
    const source = path.join(scratch.path, compression)
    const container = path.join(scratch.path, `${compression}-container`)
    const target = path.join(scratch.path, `${compression}-target`)
    fs.mkdirSync(source)
    fs.mkdirSync(target)
    makeTree(source, random, 80)
    // More than one block, so more than one segment.
    fs.writeFileSync(path.join(source, 'noise'), randomBytes(2_500_000))
    for (let level = 0; level < 3; level++) {
      const options = ['--compression', compression, '--max-segment-size', '64K']
      const { id } = await json('backup', source, '--container', container, '--backup-name', 'n', ...options)
      const segments = path.join(container, 'segments', String(id))
      const line = `cat ${segments}/data.* | ${program} | tar --extract --incremental --xattrs --xattrs-include='*' --acls --numeric-owner --directory ${target}`
      const ended = await run('/bin/bash', ['-o', 'pipefail', '-c', line])
      assert.equal(ended.status, 0, ended.stderr)
      assert.deepEqual(differences(describeTree(source), describeTree(target)), [], `level ${level}`)
      mutateTree(source, random, 20)
    }
    assert.ok(filesBelow(container).filter((file) => file.includes('/data.')).length > 3)
  })
}
