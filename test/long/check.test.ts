// Flipped bits over every blob of a container, and every blob cut, lost, lengthened and swapped: a check names exactly the
// backups and paths that restores fail on.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { check, named, restoreAll } from '../support/checked.ts'
import { recordCounts } from '../support/counts.ts'
import { Container } from '../support/damage.ts'
import { scratchDirectory } from '../support/program.ts'
import { removeTree, seeded } from '../support/tree.ts'

const scratch = scratchDirectory('long-check')
after(() => removeTree(scratch.path))

const flips = 100

for (const encrypted of [true, false]) {
  const how = encrypted ? 'encrypted' : 'plain'
  test(`check beside restores, ${how}`, async () => {
    const container = new Container(scratch.path, encrypted)
    const counts = { containers: 0, unopened: 0, damaged: 0, restores: 0 }
    const expectSame = async (what: string): Promise<void> => {
      counts.containers++
      let repository: Awaited<ReturnType<Container['open']>>
      try {
        repository = await container.open(false)
      } catch (error) {
        assert.ok(isFailure(error), String(error))
        counts.unopened++
        return
      }
      const report = await check(repository, 'all')
      const restored = await restoreAll(repository, scratch.path)
      assert.deepEqual(named(report), restored, what)
      counts.restores += report.backups
      if (restored.size > 0) counts.damaged++
    }
    await container.fill()
    const random = seeded(2027)
    const files = container.files
    for (let i = 0; i < flips; i++)
      await container.flip(random, files[i % files.length] as string, expectSame)
    for (const file of files) await container.mistreat(file, expectSame)
    await expectSame('nothing')
    recordCounts(`check beside restores, ${how}`, {
      'containers with one thing wrong': counts.containers - 1,
      'of them not to be opened at all': counts.unopened,
      'of them with backups that are damaged': counts.damaged,
      'restores compared with the report': counts.restores,
    })
  })
}
