import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Failure, isFailure } from '../src/contracts/failures.ts'
import { ArchiveCursors } from '../src/foreign/cursors.ts'
import { ScratchFile } from '../src/foreign/scratch.ts'

const whole = randomBytes(3_000_000)
const { signal } = new AbortController()

/** An archive that is read from its beginning, in chunks, and counts how often and whether each reading ended. */
function archive(length = whole.length) {
  const counts = { begun: 0, open: 0 }
  async function* open(): AsyncGenerator<Uint8Array> {
    counts.begun++
    counts.open++
    try {
      for (let at = 0; at < length; at += 70_001) yield whole.subarray(at, Math.min(at + 70_001, length))
      if (length < whole.length) throw new Failure('damaged', 'cut off')
    } finally {
      counts.open--
    }
  }
  return { counts, open }
}

test('two ascending sequences cost two readings', async () => {
  const { counts, open } = archive()
  {
    await using cursors = new ArchiveCursors(open, signal)
    for (let at = 0; at < 1_000_000; at += 90_000) {
      for (const offset of [at, at + 1_500_000]) {
        assert.ok(whole.subarray(offset, offset + 5000).equals(await cursors.read(offset, 5000)))
      }
    }
  }
  assert.deepEqual(counts, { begun: 2, open: 0 })
})

test('any order is right, and costs a bounded number of readings', async () => {
  const { counts, open } = archive()
  {
    await using cursors = new ArchiveCursors(open, signal)
    for (let i = 60; i >= 0; i--) {
      const offset = (i * 7919 * 31) % 2_900_000
      assert.ok(whole.subarray(offset, offset + 77_777).equals(await cursors.read(offset, 77_777)))
    }
  }
  assert.ok(counts.begun <= 8, String(counts.begun))
  assert.equal(counts.open, 0)
})

test('what lies behind the damage is damaged, and what lies before it is not, in any order', async () => {
  const { open } = archive(2_000_000)
  await using cursors = new ArchiveCursors(open, signal)
  for (let round = 0; round < 12; round++) {
    const damaged = cursors.read(1_999_000, 5000)
    await assert.rejects(damaged, (error) => isFailure(error) && error.code === 'damaged')
    assert.ok(whole.subarray(1_900_000, 1_990_000).equals(await cursors.read(1_900_000, 90_000)))
  }
})

test('what is put aside comes back as it was, whatever part is asked for', async () => {
  await using file = await ScratchFile.open()
  for (let at = 0; at < 300_000; at += 12_345)
    await file.append([whole.subarray(at, at + 45), whole.subarray(at + 45, at + 12_345)])
  for (const [offset, length] of [
    [0, 1],
    [1, 15],
    [15, 2],
    [16, 16],
    [99_999, 100_000],
    [12_340, 20],
  ] as const) {
    assert.ok(
      whole.subarray(offset, offset + length).equals(await file.read(offset, length)),
      `${offset}+${length}`,
    )
  }
})
