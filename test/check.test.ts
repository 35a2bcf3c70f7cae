// A check names exactly the backups and files that a restore fails on; it goes on where it was interrupted, and tells damage
// from all else that can go wrong. `test/long` does the matrix of damage at length.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { type CheckReport, type Context, Failure, isFailure, quietContext, type Storage } from '@freezer/sdk'
import { faultyStorage } from '@freezer/sdk/testing'
import { check, named, restoreAll } from './support/checked.ts'
import { backUp, openContainer } from './support/containers.ts'
import { Container } from './support/damage.ts'
import { lying } from './support/lying-engine.ts'
import { filesBelow, freezer, scratchDirectory } from './support/program.ts'
import { removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('check')
after(() => removeTree(scratch.path))
const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

for (const encrypted of [true, false]) {
  test(`damage of every kind of blob, ${encrypted ? 'encrypted' : 'plain'}`, async () => {
    const container = new Container(scratch.path, encrypted)
    let damaged = 0
    const expectSame = async (what: string): Promise<void> => {
      let repository: Awaited<ReturnType<Container['open']>>
      try {
        repository = await container.open(false)
      } catch (error) {
        assert.ok(isFailure(error), String(error))
        return
      }
      const restored = await restoreAll(repository, scratch.path)
      assert.deepEqual(named(await check(repository, 'all')), restored, what)
      if (restored.size > 0) damaged++
    }
    await container.fill()
    await expectSame('nothing')
    assert.equal(damaged, 0)
    const random = seeded(11)
    const changes: readonly [string, (bytes: Buffer) => Uint8Array | undefined][] = [
      ['removal', () => undefined],
      ['a lost last byte', (bytes) => bytes.subarray(0, -1)],
      ['truncation', (bytes) => bytes.subarray(0, bytes.length >> 1)],
    ]
    for (const [at, file] of container.files.entries()) {
      // Each half of them in one of the two containers.
      if (at % 2 === (encrypted ? 0 : 1)) continue
      const [what, change] = changes[at % changes.length] as (typeof changes)[number]
      await container.with(file, change, what, expectSame)
      if (at % 3 === 0) await container.flip(random, file, expectSame)
    }
    assert.ok(damaged > 4, `${damaged}`)
  })
}

/** A container with one incompressible tree of `blocks` MiB, and two more levels. */
async function fill(directory: string, blocks: number, passphrase?: string) {
  const source = path.join(scratch.path, `source-${path.basename(directory)}`)
  fs.mkdirSync(source)
  for (let i = 0; i < blocks; i++)
    fs.writeFileSync(path.join(source, `file-${i}`), randomBytes(2 ** 20 - 2000))
  const repository = await openContainer(directory, passphrase)
  await backUp(repository, source)
  for (const level of [1, 2]) {
    fs.writeFileSync(path.join(source, 'changes'), `level ${level}`)
    await backUp(repository, source)
  }
  return { repository, source }
}

/** How many blocks a file says were verified. */
function keptIn(file: string): number {
  const { verified } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    verified: Record<string, [number, number][]>
  }
  return Object.values(verified)
    .flat()
    .reduce((sum, [first, end]) => sum + end - first, 0)
}

test('structure alone reads no data, and each shared page once', async () => {
  const directory = path.join(scratch.path, 'structure')
  const { source } = await fill(directory, 4)
  for (let i = 0; i < 2000; i++) {
    fs.mkdirSync(path.join(source, `d${i % 50}`), { recursive: true })
    fs.writeFileSync(path.join(source, `d${i % 50}`, `f${i}`), '')
  }
  await backUp(await openContainer(directory), source)
  for (let i = 0; i < 4; i++) await backUp(await openContainer(directory), source)
  const read: string[] = []
  const repository = await openContainer(directory, undefined, (storage) =>
    faultyStorage(storage, [], (_, method, key) => {
      if (method === 'get') read.push(key)
    }),
  )
  const report = await check(repository)
  assert.deepEqual(report.damaged, [])
  assert.equal(report.backups, 8)
  assert.deepEqual(
    read.filter((key) => key.includes('/data.')),
    [],
  )
  const data = await check(await openContainer(directory), 'all')
  assert.deepEqual([data.damaged, data.bytes], [[], data.archiveBytes], 'many pages of records')
  const index = filesBelow(directory).filter((file) => file.includes('/index.'))
  const stored = index.reduce((sum, file) => sum + fs.statSync(path.join(directory, file)).size, 0)
  assert.equal(report.indexBytes, stored, 'every byte of every index, and none twice')
})

test('a check that is interrupted goes on where it was; one that is finished starts over', async () => {
  const { repository } = await fill(path.join(scratch.path, 'resumed'), 24)
  const resume = path.join(scratch.path, 'resumed.json')
  const stop = new AbortController()
  const context: Context = {
    ...quietContext(stop.signal),
    report: (event) => {
      if (event.type === 'progress' && event.progress.stored > 10 * 2 ** 20) stop.abort()
    },
  }
  await assert.rejects(check(repository, 'all', { resume, context }), code('interrupted'))
  const before = keptIn(resume)
  assert.ok(before > 0, 'something was kept')
  const rest = await check(repository, 'all', { resume })
  const whole = await check(repository, 'all', { resume })
  assert.equal(before + rest.blocks, whole.blocks)
  assert.ok(whole.blocks >= 26, `${whole.blocks}`)
  assert.ok(fs.statSync(resume).size < 1000, 'ranges are joined')
})

test('a part is read, and with a file the part that was read longest ago', async () => {
  const { repository } = await fill(path.join(scratch.path, 'part'), 20)
  const resume = path.join(scratch.path, 'part.json')
  const alone = await check(repository, { share: 0.25 })
  assert.ok(alone.bytes > 4 * 2 ** 20 && alone.bytes < 8 * 2 ** 20, `${alone.bytes}`)
  const all = (await check(repository, 'all')).blocks
  let blocks = 0
  let now = 1000
  const context = () => ({ ...quietContext(), now: () => now++ })
  while (blocks < all) {
    const part = await check(repository, { bytes: 4 * 2 ** 20 }, { resume, context: context() })
    blocks += part.blocks
    assert.ok(part.blocks > 0)
  }
  assert.ok(blocks < all + 6, `${blocks} of ${all}: none is read twice before each was read once`)
  assert.equal(keptIn(resume), all)
  const again = await check(repository, { share: 0.1 }, { resume, context: context() })
  assert.ok(again.blocks > 0)
})

test('damage is found in the part that is read, and not forgotten by the file', async () => {
  const directory = path.join(scratch.path, 'damaged-part')
  const { repository } = await fill(directory, 6)
  const resume = path.join(scratch.path, 'damaged-part.json')
  const segment = filesBelow(directory).find((file) => file.endsWith('data.00000002')) as string
  const bytes = fs.readFileSync(path.join(directory, segment))
  bytes[1000] = (bytes[1000] as number) ^ 4
  fs.writeFileSync(path.join(directory, segment), bytes)
  for (let run = 0; run < 3; run++) {
    const report = await check(repository, 'all', { resume })
    assert.equal(report.damaged.length, 3, 'every level uses it')
    for (const { files } of report.damaged) assert.equal(files.length, 2, files.join())
  }
})

test('a record that cannot be read in blocks that are as stored', async () => {
  const directory = path.join(scratch.path, 'lying')
  const { repository, source } = await fill(directory, 2)
  fs.writeFileSync(path.join(source, 'victim'), 'x')
  fs.writeFileSync(path.join(source, 'witness'), 'y')
  await backUp(repository, source, { engine: lying })
  fs.writeFileSync(path.join(source, 'later'), 'z')
  await backUp(repository, source)
  assert.deepEqual((await check(repository)).damaged, [])
  const report = await check(repository, 'all')
  assert.deepEqual(
    report.damaged.map(({ level, files }) => [level, files]),
    [
      [3, ['victim']],
      [4, ['victim']],
    ],
  )
  assert.deepEqual(named(report), await restoreAll(repository, scratch.path))
})

test('what does not answer is not damaged', async () => {
  const directory = path.join(scratch.path, 'unavailable')
  await fill(directory, 2)
  const fail = new Failure('unavailable', 'No answer.')
  for (const call of [3, 6, 9]) {
    const repository = await openContainer(directory)
    const storage = faultyStorage(repository.storage, [{ method: 'get', call, fail }])
    const wrapped = await openContainer(directory, undefined, () => storage)
    await assert.rejects(check(wrapped, 'all'), code('unavailable'), `call ${call}`)
  }
})

test('what a prune removes during the check is not damaged, and what nobody lists is garbage', async () => {
  const directory = path.join(scratch.path, 'pruned')
  await fill(directory, 2)
  const removeNewest = (storage: Storage): Storage =>
    faultyStorage(storage, [], (_, method, key) => {
      if (method !== 'get' || !key.includes('/index.')) return
      const manifests = filesBelow(directory).filter((file) => file.startsWith('manifests/'))
      const newest = manifests.at(-1)
      if (newest === undefined || manifests.length < 3) return
      fs.rmSync(path.join(directory, newest))
      fs.rmSync(path.join(directory, 'segments', newest.slice(-32)), { recursive: true })
    })
  const report: CheckReport = await check(await openContainer(directory, undefined, removeNewest), 'all')
  assert.deepEqual(report.damaged, [])
  const left = filesBelow(directory).filter((file) => file.startsWith('manifests/'))
  assert.equal(left.length, 2)
  fs.rmSync(path.join(directory, left[1] as string))
  const later = await check(await openContainer(directory), 'all')
  assert.deepEqual(later.damaged, [])
  assert.equal(later.backups, 1)
  assert.equal(later.garbage.segments, 2)
})

test('a level that lost its manifest is told of, though everything can be restored', async () => {
  const directory = path.join(scratch.path, 'unlisted')
  const { repository } = await fill(directory, 1)
  const [first] = filesBelow(directory).filter((file) => file.startsWith('manifests/'))
  fs.rmSync(path.join(directory, first as string))
  const report = await check(repository, 'all')
  assert.equal(report.damaged.length, 2)
  assert.equal(named(report).size, 0)
  assert.match(report.damaged[0]?.failures[0]?.message ?? '', /Level 0.*lost its manifest/)
})

test('the program: exit status, text, JSON, and the value of a flag that stands alone', async () => {
  const directory = path.join(scratch.path, 'program')
  await fill(directory, 2)
  const whole = await freezer('check', '--container', directory, '--read-data', '--json')
  assert.equal(whole.status, 0, whole.stdout)
  assert.equal((JSON.parse(whole.stdout) as CheckReport).blocks, 5)
  const part = await freezer('check', '--container', directory, '--read-data=40%', '--no-progress')
  assert.equal(part.status, 0, part.stderr)
  assert.match(part.stdout, /Damaged: none/)
  const wrong = await freezer('check', '--container', directory, '--read-data=400%')
  assert.equal(wrong.status, 2)
  assert.equal((await freezer('check', '--container', directory, '--resume', 'x')).status, 2)
  const [first = ''] = filesBelow(directory).filter((file) => file.startsWith('manifests/'))
  fs.rmSync(path.join(directory, 'segments', first.slice(-32), 'data.00000000'))
  const damaged = await freezer('check', '--container', directory)
  assert.equal(damaged.status, 6)
  assert.match(damaged.stdout, /Damaged: [0-9a-f]{8}, n of h, level 0/)
  assert.match(damaged.stderr, /damaged.*--no-incremental/)
  const foreign = path.join(scratch.path, 'foreign.json')
  fs.writeFileSync(foreign, '{}')
  const refused = await freezer('check', '--container', directory, '--read-data', '--resume', foreign)
  assert.equal(refused.status, 2)
  assert.equal(fs.readFileSync(foreign, 'utf8'), '{}')
})
