// 100 backups killed at a random instant; the other kills, one at every storage call, are among the quick tests.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordCounts } from '../support/counts.ts'
import { Victim } from '../support/crash.ts'
import { programFile, scratchDirectory } from '../support/program.ts'
import { makeTree, removeTree, seeded } from '../support/tree.ts'

const scratch = scratchDirectory('long-crash')
after(() => removeTree(scratch.path))

const kills = 100

test('killed at random instants', async () => {
  const source = path.join(scratch.path, 'source')
  fs.mkdirSync(source)
  makeTree(source, seeded(8), 40)
  const noise = (): void => {
    // A change of the tree may have put something else in its place.
    fs.rmSync(path.join(source, 'noise'), { recursive: true, force: true })
    fs.writeFileSync(path.join(source, 'noise'), randomBytes(30_000_000))
  }
  noise()
  const victim = new Victim(scratch.path, source)
  const begun = performance.now()
  await victim.backUp()
  const whole = performance.now() - begun
  const random = seeded(100)
  let killed = 0
  let finished = 0
  while (killed < kills) {
    victim.change()
    noise()
    const child = spawn(process.execPath, [programFile, ...victim.words], { stdio: 'ignore' })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    await sleep(random() * whole)
    child.kill('SIGKILL')
    if ((await ended) === null) killed++
    else finished++
    if ((killed + finished) % 5 === 0) {
      await victim.backUp()
      await victim.expectWhole(2)
    }
    assert.ok(finished < 400, 'the kills come too late')
  }
  await victim.backUp()
  await victim.expectWhole(victim.moments.size)
  recordCounts('killed at random instants', {
    kills: killed,
    'ended before the kill': finished,
    'backups made and restored afterwards': victim.moments.size,
  })
})
