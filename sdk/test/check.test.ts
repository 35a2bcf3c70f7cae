import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ProgressFile } from '../src/check/progress-file.ts'
import { Ranges } from '../src/check/ranges.ts'
import { selectBlocks } from '../src/check/selection.ts'
import { isFailure } from '../src/contracts/failures.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-check-'))
after(() => fs.rmSync(scratch, { recursive: true }))

const highest = 40
const range = fc
  .tuple(fc.nat(highest), fc.nat(10))
  .map(([start, length]) => ({ start, end: Math.min(highest, start + length) }))
const some = fc.array(range, { maxLength: 12 })
const numbersOf = (ranges: Iterable<{ start: number; end: number }>) => {
  const numbers = new Set<number>()
  for (const { start, end } of ranges) for (let n = start; n < end; n++) numbers.add(n)
  return numbers
}

describe('ranges', () => {
  test('are the set of what was added, in order, and none touch', () => {
    fc.assert(
      fc.property(some, some, (first, later) => {
        const ranges = new Ranges(first)
        for (const one of later) ranges.add(one)
        assert.deepEqual(numbersOf(ranges), numbersOf([...ranges]))
        assert.deepEqual(
          [...numbersOf(ranges)].sort((a, b) => a - b),
          [...numbersOf([...first, ...later])].sort((a, b) => a - b),
        )
        const all = [...ranges]
        for (const [at, { start, end }] of all.entries()) {
          assert.ok(start < end)
          assert.ok(at === 0 || start > (all[at - 1]?.end ?? 0))
        }
        assert.equal(ranges.size, numbersOf(ranges).size)
      }),
    )
  })

  test('tell what meets them, what they cover, and what is left without others', () => {
    fc.assert(
      fc.property(some, range, some, (first, { start, end }, others) => {
        fc.pre(start < end)
        const ranges = new Ranges(first)
        const numbers = numbersOf(first)
        const asked = [...numbersOf([{ start, end }])]
        assert.equal(
          ranges.meets(start, end),
          asked.some((n) => numbers.has(n)),
        )
        assert.equal(
          ranges.covers(start, end),
          asked.every((n) => numbers.has(n)),
        )
        const left = [...numbers].filter((n) => !numbersOf(others).has(n)).sort((a, b) => a - b)
        assert.deepEqual(
          [...numbersOf(ranges.without(others))].sort((a, b) => a - b),
          left,
        )
      }),
    )
  })

  test('without an end', () => {
    const ranges = new Ranges([{ start: 5, end: Number.POSITIVE_INFINITY }])
    assert.ok(ranges.meets(1e15, 1e15 + 1))
    assert.ok(!ranges.meets(0, 5))
  })
})

const archives = [
  { id: 'a'.repeat(32), blocks: 100, stored: 100_000 },
  { id: 'b'.repeat(32), blocks: 0, stored: 0 },
  { id: 'c'.repeat(32), blocks: 7, stored: 7_000 },
]
const selectedIn = (selected: ReadonlyMap<string, Ranges>) =>
  [...selected.values()].reduce((sum, ranges) => sum + ranges.size, 0)

describe('what a check reads', () => {
  test('of a share is about that, and each block once before any is read again', async () => {
    const file = path.join(scratch, 'share.json')
    let now = 1
    const times = new Map<string, number>()
    for (let run = 0; run < 10; run++) {
      const progress = await ProgressFile.open(file, now++)
      const selected = selectBlocks(archives, { share: 0.1 }, progress)
      assert.equal(selectedIn(selected), 11)
      for (const [id, ranges] of selected) {
        for (const block of numbersOf(ranges)) {
          times.set(`${id} ${block}`, (times.get(`${id} ${block}`) ?? 0) + 1)
          progress.verified(id, block)
        }
      }
      await progress.save()
    }
    assert.equal(times.size, 107)
    assert.ok([...times.values()].every((count) => count <= 2))
  })

  test('of everything is what the round has not read; a new round reads all', async () => {
    const file = path.join(scratch, 'all.json')
    const first = await ProgressFile.open(file, 1000)
    first.beginRound()
    assert.equal(selectedIn(selectBlocks(archives, 'all', first)), 107)
    for (let block = 20; block < 60; block++) first.verified(archives[0]?.id ?? '', block)
    await first.save()

    const second = await ProgressFile.open(file, 2000)
    second.beginRound()
    const rest = selectBlocks(archives, 'all', second)
    assert.deepEqual(
      [...(rest.get('a'.repeat(32)) ?? [])],
      [
        { start: 0, end: 20 },
        { start: 60, end: 100 },
      ],
    )
    second.endRound()
    await second.save()

    const third = await ProgressFile.open(file, 3000)
    third.beginRound()
    assert.equal(selectedIn(selectBlocks(archives, 'all', third)), 107)
  })

  test('forgets backups that are no more, and leaves no other file behind', async () => {
    const file = path.join(scratch, 'forget', 'x.json')
    fs.mkdirSync(path.dirname(file))
    const first = await ProgressFile.open(file, 1)
    for (const { id } of archives) first.verified(id, 0)
    await first.save()
    const second = await ProgressFile.open(file, 2)
    second.keepOnly(new Set(['c'.repeat(32)]))
    await second.save()
    const { verified } = JSON.parse(fs.readFileSync(file, 'utf8')) as { verified: object }
    assert.deepEqual(Object.keys(verified), ['c'.repeat(32)])
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ['x.json'])
  })

  test('is not told by a file that no check wrote', async () => {
    const file = path.join(scratch, 'foreign.json')
    for (const text of ['', '{}', 'null', '{"format":"freezer check","version":2}', '[1']) {
      fs.writeFileSync(file, text)
      await assert.rejects(
        ProgressFile.open(file, 1),
        (error) => isFailure(error) && error.code === 'usage',
        text,
      )
    }
  })
})
