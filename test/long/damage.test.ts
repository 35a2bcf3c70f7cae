// At least 1,000 flipped bits over every blob of a container, and every blob cut, lost, lengthened and swapped.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { recordCounts } from '../support/counts.ts'
import { Container } from '../support/damage.ts'
import { scratchDirectory } from '../support/program.ts'
import { removeTree, seeded } from '../support/tree.ts'

const scratch = scratchDirectory('long-damage')
after(() => removeTree(scratch.path))

const flips = 600

for (const encrypted of [true, false]) {
  const how = encrypted ? 'encrypted' : 'plain'
  test(`damage, ${how}`, async () => {
    const container = new Container(scratch.path, encrypted)
    await container.fill()
    const random = seeded(2026)
    const files = container.files
    for (let i = 0; i < flips; i++) {
      const file = files[i % files.length]
      assert.ok(file !== undefined)
      await container.flip(random, file)
    }
    const flipped = { ...container.counts }
    for (const file of files) await container.mistreat(file)
    await container.expectNoLie('nothing')
    const { refused, named, unaffected } = container.counts
    recordCounts(`damage, ${how}`, {
      blobs: files.length,
      'flipped bits': flips,
      'flips refused': flipped.refused,
      'flips named': flipped.named,
      'flips in what the restore does not read': flipped.unaffected,
      'blobs cut, lost, lengthened or swapped': refused + named + unaffected - flips - 1,
    })
  })
}
