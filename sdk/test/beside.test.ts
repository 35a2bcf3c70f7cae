// Backups, prunes and restores beside each other, each held or killed at each of its storage calls.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { RetentionPolicy } from '@freezer/sdk'
import { killAt, outcome, Schedule, World } from './support/world.ts'

let scratch = ''
let origin: World
before(async () => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-beside-'))
  origin = new World(scratch)
  // Two chains, 0 1 2 and 0 1 2.
  for (const incremental of [false, true, true, false, true, true]) {
    origin.change()
    origin.pass(1)
    await origin.backUp(await origin.open(), incremental)
  }
  origin.change()
  origin.pass(1)
})
after(() => fs.rmSync(scratch, { recursive: true, force: true }))

/** Leaves the newest chain; leaves nothing. */
const policies: readonly [string, RetentionPolicy][] = [
  ['the last', { keepLast: 1 }],
  ['nothing', { removeBefore: new Date(Date.UTC(2100, 0, 1)) }],
]

/** Whether every case is tried at every call; otherwise the cases share the calls, which is much quicker. */
const every = process.env['FREEZER_EVERY_CALL'] !== undefined

/**
 * Runs `run` with `start`, and with every `step`-th number after that, until the call of that number is never made.
 * Gives about the number of calls.
 */
async function forEachCall(
  run: (call: number, reached: () => void) => Promise<void>,
  start = 1,
  step = 1,
): Promise<number> {
  for (let call = start; call < 1000; call += step) {
    let made = false
    await run(call, () => {
      made = true
    })
    if (!made) return call - step
  }
  return assert.fail('There is no end of calls.')
}

for (const [which, [kept, policy]] of policies.entries()) {
  for (const patience of [2, 0]) {
    const share = every ? ([1, 1] as const) : ([1 + which * 2 + (patience === 0 ? 1 : 0), 4] as const)

    describe(`keeping ${kept}, a run is dead after ${patience} h`, () => {
      const codes = patience === 0 ? ['unavailable'] : []

      test('a prune between any two calls of a backup', async () => {
        let failed = 0
        const calls = await forEachCall(async (at, reached) => {
          const what = `a backup with a prune before its call ${at}`
          const world = origin.copy()
          const repository = await world.open(async (call) => {
            if (call !== at) return
            reached()
            await world.prune(await world.open(), policy, patience)
            await world.expectWhole(`${what}, still under way`)
          })
          const result = await outcome(world.backUp(repository), ...codes)
          if (result === undefined) failed++
          const listed = await world.expectWhole(what)
          if (result !== undefined && kept === 'the last') assert.ok(listed.includes(result.id), what)
          await world.expectClean(what)
        })
        assert.ok(calls >= 10, `${calls} calls`)
        assert.equal(failed > 0, patience === 0, `${failed} failed`)
      })

      test('a prune before any call of a backup that is killed soon after', async () => {
        for (const more of [0, 1, 2]) {
          await forEachCall(
            async (at, reached) => {
              const what = `a backup with a prune before its call ${at}, killed ${more} calls later`
              const world = origin.copy()
              const onCall = killAt(at + more, async (call) => {
                if (call === at) await world.prune(await world.open(), policy, patience)
              })
              const repository = await world.open(async (call, ...rest) => {
                if (call === at) reached()
                if (call === at && more === 0) await world.prune(await world.open(), policy, patience)
                await onCall(call, ...rest)
              })
              await outcome(world.backUp(repository), ...codes)
              await world.expectWhole(what)
              const next = await world.backUp(await world.open())
              assert.ok((await world.expectWhole(`${what}, and another`)).includes(next.id))
              await world.expectClean(what)
            },
            ...share,
          )
        }
      })

      test('a backup between any two calls of a prune', async () => {
        const calls = await forEachCall(
          async (at, reached) => {
            const what = `a prune with a backup before its call ${at}`
            const world = origin.copy()
            let made = ''
            const repository = await world.open(async (call) => {
              if (call !== at) return
              reached()
              made = (await world.backUp(await world.open())).id
            })
            await world.prune(repository, policy, patience)
            const listed = await world.expectWhole(what)
            if (made !== '' && kept === 'the last') assert.ok(listed.includes(made), what)
            await world.expectClean(what)
          },
          ...share,
        )
        assert.ok(calls >= 30, `${calls} calls`)
      })

      test('a prune killed at any call, and the next one', async () => {
        await forEachCall(
          async (at, reached) => {
            const what = `a prune killed at its call ${at}`
            const world = origin.copy()
            const repository = await world.open((call, ...rest) => {
              if (call === at) reached()
              return killAt(at)(call, ...rest)
            })
            await outcome(world.prune(repository, policy, patience))
            await world.expectWhole(what)
            const next = await world.backUp(await world.open())
            assert.ok((await world.expectWhole(`${what}, and a backup`)).includes(next.id))
            await world.restore(await world.open())
            await world.expectClean(what)
          },
          ...share,
        )
      })
    })
  }
}

test('a prune of everything between any two calls of a restore: what it holds it gets', async () => {
  let restored = 0
  await forEachCall(async (at, reached) => {
    const world = origin.copy()
    let leased = false
    let held = false
    let mustSucceed = false
    const repository = await world.open(async (call, method, key) => {
      if (call === at) {
        reached()
        mustSucceed = held
        await world.prune(await world.open(), { removeBefore: new Date(Date.UTC(2100, 0, 1)) })
      }
      if (method === 'put' && key.startsWith('leases/')) leased = true
      // The look at the manifest is over once anything else is asked for.
      else if (leased && !key.startsWith('manifests/')) held = true
    })
    const result = await world.restore(repository)
    if (mustSucceed) assert.ok(result !== undefined, `restore with a prune before its call ${at}`)
    if (result !== undefined) restored++
    await world.expectClean(`a restore with a prune before its call ${at}`)
  })
  assert.ok(restored >= 3, `${restored} restored`)
})

test('a backup beside which another one begins a chain, and the one that it builds on is removed', async () => {
  await forEachCall(async (at, reached) => {
    const what = `a backup with a new chain and a prune before its call ${at}`
    const world = origin.copy()
    let listed = false
    let newest = true
    const repository = await world.open(async (call, method, key) => {
      if (call === at) {
        reached()
        newest = !listed
        await world.backUp(await world.open(), false)
        await world.prune(await world.open(), { keepLast: 1 })
      }
      if (method === 'put' && key.startsWith('manifests/')) listed = true
    })
    const { id } = await world.backUp(repository)
    const whole = await world.expectWhole(what)
    // Once it was listed, the rule may remove it: the other one is newer.
    if (newest) assert.ok(whole.includes(id), what)
    await world.expectClean(what)
  })
})

const rounds = Number(process.env['FREEZER_SCHEDULES'] ?? 60)

test(`${rounds} random schedules of two backups, two prunes and a restore, with kills`, async () => {
  let state = Number(process.env['FREEZER_SEED'] ?? 7)
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const done = { backups: 0, prunes: 0, restores: 0, kills: 0, calls: 0 }
  for (let round = 0; round < rounds; round++) {
    const what = `schedule ${round}`
    const world = origin.copy()
    const schedule = new Schedule(random)
    const deadly = random() < 0.5 ? 0 : 0.01
    const killed = (): boolean => {
      const kill = random() < deadly
      if (kill) done.kills++
      return kill
    }
    const patience = random() < 0.4 ? 0 : 2
    const some = (): RetentionPolicy => policies[random() < 0.5 ? 0 : 1]?.[1] ?? {}
    const backUp = async (): Promise<void> => {
      const work = schedule.add(
        async (onCall) => world.backUp(await world.open(onCall), random() < 0.8),
        killed,
      )
      if ((await outcome(work, 'unavailable')) !== undefined) done.backups++
    }
    const prune = async (): Promise<void> => {
      const work = schedule.add(
        async (onCall) => world.prune(await world.open(onCall), some(), patience),
        killed,
      )
      if ((await outcome(work)) !== undefined) done.prunes++
    }
    const restore = async (): Promise<void> => {
      const work = schedule.add(async (onCall) => world.restore(await world.open(onCall)), killed)
      if ((await outcome(work)) !== undefined) done.restores++
    }
    await Promise.all([backUp(), backUp(), prune(), prune(), restore()])
    done.calls += schedule.calls
    await world.expectWhole(what)
    const next = await world.backUp(await world.open())
    assert.ok((await world.expectWhole(`${what}, and a backup`)).includes(next.id))
    await world.expectClean(what)
  }
  assert.ok(done.backups > 0 && done.prunes > 0 && done.restores > 0, JSON.stringify(done))
})
