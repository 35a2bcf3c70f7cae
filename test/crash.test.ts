// A backup killed at each of its storage calls: the earlier backups restore, the next run works, nobody unlocks.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { killedAt, Victim } from './support/crash.ts'
import { scratchDirectory } from './support/program.ts'
import { makeTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('crash')
after(() => removeTree(scratch.path))

for (const level of [0, 1]) {
  test(`killed at every storage call of a level ${level}`, async () => {
    const directory = path.join(scratch.path, `level-${level}`)
    const source = path.join(directory, 'source')
    fs.mkdirSync(source, { recursive: true })
    makeTree(source, seeded(level), 25)
    fs.writeFileSync(path.join(source, 'noise'), randomBytes(3_300_000))
    const victim = new Victim(directory, source)
    if (level === 1) {
      await victim.backUp()
      victim.change()
      fs.writeFileSync(path.join(source, 'noise'), randomBytes(3_300_000))
    }
    let calls: number | undefined
    let kills = 0
    while (calls === undefined) {
      calls = await killedAt(source, victim.container, kills + 1)
      if (calls === undefined) kills++
      if (kills % 4 === 0 && victim.moments.size > 0) await victim.expectWhole(1)
    }
    assert.ok(kills >= 8, `only ${kills} storage calls`)
    // One that was killed after its manifest left a backup, so the next one had less to store.
    assert.ok(kills >= calls && kills <= calls + 2, `${kills} kills of ${calls} calls`)
    victim.change()
    await victim.backUp()
    await victim.expectWhole(3)
  })
}
