// Many random histories of random trees: every level of each restored and compared in every byte and attribute.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { recordCounts } from '../support/counts.ts'
import { json, scratchDirectory } from '../support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from '../support/tree.ts'

const scratch = scratchDirectory('long-trees')
after(() => removeTree(scratch.path))

const histories = 25
const levels = 6

test('random histories', async () => {
  let entries = 0
  for (let seed = 1; seed <= histories; seed++) {
    const random = seeded(seed)
    const directory = path.join(scratch.path, String(seed))
    const source = path.join(directory, 'source')
    const common = ['--container', path.join(directory, 'container'), '--backup-name', 'n']
    fs.mkdirSync(source, { recursive: true })
    makeTree(source, random, 60)
    const moments: { time: string; tree: Tree }[] = []
    for (let level = 0; level < levels; level++) {
      const { time } = await json('backup', source, ...common)
      moments.push({ time: String(time), tree: describeTree(source) })
      mutateTree(source, random, 25)
    }
    for (const [level, { time, tree }] of moments.entries()) {
      const target = path.join(directory, `target-${level}`)
      await json('restore', target, ...common, '--restore-from-date', time)
      assert.deepEqual(differences(tree, describeTree(target)), [], `seed ${seed}, level ${level}`)
      entries += tree.size
    }
    removeTree(directory)
  }
  recordCounts('random histories', {
    histories,
    'restores compared': histories * levels,
    'entries compared': entries,
  })
})
