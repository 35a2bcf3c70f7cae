// Bandwidth limits of the real program, by the clock: within a twentieth over half a minute.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { json, scratchDirectory } from '../support/program.ts'

const scratch = scratchDirectory('limits')
after(scratch.remove)
const seconds = 32

for (const rate of [100 * 1024, 2 ** 20, 8 * 2 ** 20]) {
  test(`${rate / 1024}K`, async () => {
    const source = path.join(scratch.path, `source-${rate}`)
    const container = path.join(scratch.path, `container-${rate}`)
    fs.mkdirSync(source)
    fs.writeFileSync(path.join(source, 'file'), randomBytes(rate * seconds))
    const backup = await json(
      'backup',
      source,
      '-N',
      'n',
      '--container',
      container,
      '--upload-limit',
      `${rate}`,
    )
    expectRate('backup', Number(backup['stored']), Number(backup['seconds']))
    const target = path.join(scratch.path, `target-${rate}`)
    const words = ['-N', 'n', '--container', container, '--download-limit', `${rate}`]
    const restored = await json('restore', target, ...words)
    expectRate('restore', Number(backup['stored']), Number(restored['seconds']))
  })

  function expectRate(what: string, bytes: number, took: number): void {
    assert.ok(took >= 30, `the ${what} took ${took} s`)
    const off = bytes / took / rate - 1
    assert.ok(
      Math.abs(off) < 0.05,
      `the ${what} of ${bytes} bytes took ${took} s, ${(100 * off).toFixed(1)}% off`,
    )
    console.log(`${what} at ${rate}: ${(100 * off).toFixed(2)}% off over ${took.toFixed(1)} s`)
  }
}
