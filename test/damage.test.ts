// Damage anywhere in a container is refused or named, and no wrong byte is restored. `test/long` does it at length.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Container } from './support/damage.ts'
import { scratchDirectory } from './support/program.ts'
import { removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('damage')
after(() => removeTree(scratch.path))

for (const encrypted of [true, false]) {
  test(`flipped bits, ${encrypted ? 'encrypted' : 'plain'}`, async () => {
    const container = new Container(scratch.path, encrypted)
    await container.fill()
    await container.expectNoLie('nothing')
    assert.equal(container.counts.unaffected, 1)
    const random = seeded(4)
    for (const file of container.files) for (let i = 0; i < 3; i++) await container.flip(random, file)
    const { refused, named } = container.counts
    assert.ok(refused > 5 && named > 5, JSON.stringify(container.counts))
  })
}
