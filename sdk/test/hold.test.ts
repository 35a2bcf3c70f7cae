// In which order a resource is held, frozen, let go and copied, on every path.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type BackupResourcesRequest,
  backupResources,
  type Context,
  Failure,
  isFailure,
  type Manifest,
  type Mode,
  type ModeSession,
  openRepository,
  quietContext,
  type Resource,
  type ResourceBackup,
  type RunEvent,
  restore,
  type Snapshot,
  type SnapshotProvider,
  type TreeSource,
} from '@freezer/sdk'
import { faultyStorage, type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../core/templates/engine/src/index.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hold-'))
after(() => fs.rmSync(scratch, { recursive: true }))
const tree = path.join(scratch, 'tree')
const view = path.join(scratch, 'view')
for (const [directory, text] of [
  [tree, 'alive'],
  [view, 'frozen'],
] as const) {
  fs.mkdirSync(directory)
  fs.writeFileSync(path.join(directory, 'file'), text)
}

/** `stored`: the first segment is put. `committed`: the manifest is. */
type Step =
  | 'quiesce'
  | 'release'
  | 'source'
  | 'covers'
  | 'create'
  | 'verify'
  | 'remove'
  | 'end'
  | 'stored'
  | 'committed'
type Steps = Partial<Record<Step, (signal: AbortSignal) => unknown>>

interface Changes {
  readonly session?: Partial<ModeSession>
  readonly source?: Partial<TreeSource>
  readonly snapshot?: Partial<Snapshot>
  readonly provider?: Partial<SnapshotProvider>
  readonly request?: Partial<BackupResourcesRequest>
  readonly resources?: readonly Resource[]
}

interface Ended {
  /** What was called, in order. */
  readonly log: readonly Step[]
  readonly results: readonly ResourceBackup[]
  readonly failure: unknown
  readonly events: readonly RunEvent[]
  readonly memory: MemoryStorage
  readonly manifests: readonly Manifest[]
}

const one: Resource = { name: '', path: tree, facts: { path: tree } }

/** Backs up with a mode, a provider and a storage that do `steps`, and tells what was called. */
async function play(
  frozen: boolean,
  steps: Steps = {},
  { session, source, snapshot, provider, request, resources = [one] }: Changes = {},
  stop = new AbortController(),
): Promise<Ended> {
  const log: Step[] = []
  const events: RunEvent[] = []
  const memory = memoryStorage()
  const step = async (name: Step, signal = stop.signal): Promise<void> => {
    log.push(name)
    await steps[name]?.(signal)
  }
  const context: Context = { ...quietContext(stop.signal), report: (event) => events.push(event) }
  const storage = faultyStorage(memory, [], async (_, method, key) => {
    if (method !== 'put') return
    if (key?.startsWith('segments/') && !log.includes('stored')) await step('stored')
    if (key?.startsWith('manifests/')) await step('committed')
  })
  const mode: Mode = {
    name: 'toy',
    description: 'toy',
    options: {},
    open: async () => ({
      async *resources() {
        yield* resources
      },
      quiesce: (_, signal) => step('quiesce', signal),
      release: (_, signal) => step('release', signal),
      source: async (_, shown = '') => {
        await step('source')
        const options = { exclude: [], oneFileSystem: false, dereference: 'none' } as const
        return { kind: 'tree', path: shown, ...options, ...source }
      },
      [Symbol.asyncDispose]: () => step('end'),
      ...session,
    }),
    target: async () => assert.fail(),
  }
  const toy: SnapshotProvider = {
    name: 'frost',
    description: 'toy',
    options: {},
    covers: async () => {
      await step('covers')
      return true
    },
    create: async (_path, _options, { signal }) => {
      await step('create', signal)
      return {
        path: view,
        verify: () => step('verify'),
        [Symbol.asyncDispose]: () => step('remove'),
        ...snapshot,
      }
    },
    ...provider,
  }
  const results: ResourceBackup[] = []
  let failure: unknown
  const open = () => openRepository({ storage, codecs: [], signal: context.signal }, true)
  try {
    const backups = backupResources(
      {
        repository: open,
        mode: { mode, options: {} },
        engine: { engine: plainEngine },
        snapshot: { providers: frozen ? [{ provider: toy, options: {} }] : [], required: frozen },
        host: 'h',
        name: 'n',
        levels: { incremental: true },
        ...request,
      },
      context,
    )
    for await (const result of backups) results.push(result)
  } catch (error) {
    failure = error
  }
  const { signal } = quietContext()
  const repository = await openRepository({ storage: memory, codecs: [], signal }, true)
  const names = await repository.names(undefined, signal)
  const manifests = await Promise.all(names.map((name) => repository.manifest(name, signal)))
  return { log, results, failure, events, memory, manifests }
}

async function content(memory: MemoryStorage): Promise<string> {
  const { signal } = quietContext()
  const target = fs.mkdtempSync(path.join(scratch, 'restored-'))
  await restore(
    {
      repository: await openRepository({ storage: memory, codecs: [], signal }, false),
      engines: [plainEngine],
      target: () => ({ kind: 'tree', path: target, overwrite: 'always', remove: false }),
    },
    quietContext(),
  )
  return fs.readFileSync(path.join(target, 'file'), 'utf8')
}

const code = (error: unknown) => (isFailure(error) ? error.code : String(error))
const boom = (): never => {
  throw new Failure('unavailable', 'Boom.')
}
const warnings = ({ events }: Ended) =>
  events.flatMap((event) => (event.type === 'log' && event.level === 'warn' ? [event.message] : []))

const order = {
  alive: ['quiesce', 'source', 'release', 'stored', 'committed', 'end'],
  frozen: [
    'covers',
    'quiesce',
    'create',
    'release',
    'source',
    'verify',
    'stored',
    'committed',
    'remove',
    'end',
  ],
} as const

describe('what works', () => {
  test('with a snapshot: quiesce, snapshot, release, copy, verify, manifest, removal', async () => {
    const ended = await play(true)
    assert.equal(ended.failure, undefined)
    assert.deepEqual(ended.log, order.frozen)
    const [result] = ended.results
    assert.equal(result?.snapshot, 'frost')
    assert.equal(result?.leftover, undefined)
    assert.equal(await content(ended.memory), 'frozen')
    assert.deepEqual(ended.manifests[0]?.mode, { name: 'toy', facts: { path: tree } })
    assert.ok(!JSON.stringify([...ended.manifests, ...ended.results]).includes(view))
  })

  test('without: quiesce, copy, release, manifest', async () => {
    const ended = await play(false)
    assert.deepEqual(ended.log, order.alive)
    assert.equal(ended.results[0]?.snapshot, undefined)
    assert.equal(await content(ended.memory), 'alive')
  })

  test('seconds of the lock are those from quiesce to release, and no more', async () => {
    const slow = { quiesce: () => pause(150), create: () => pause(150), source: () => pause(2000) }
    const [result] = (await play(true, slow)).results
    assert.ok(result?.locked !== undefined && result.locked >= 0.29 && result.locked < 2, `${result?.locked}`)
    const alive = (await play(false, slow)).results[0]?.locked
    assert.ok(alive !== undefined && alive >= 2.1, `${alive}`)
    const never = await play(true, {}, { session: { quiesce: undefined, release: undefined } as never })
    assert.equal(never.results[0]?.locked, undefined)
  })

  test('what is learned while a resource is held stands in the manifest', async () => {
    const session: Partial<ModeSession> = {
      quiesce: async () => ({ position: 7 }),
      release: async () => ({ label: 'b' }),
    }
    for (const frozen of [true, false]) {
      const { manifests } = await play(frozen, {}, { session })
      assert.deepEqual(manifests[0]?.mode.facts, { path: tree, position: 7, label: 'b' })
    }
  })

  test('a backup shows the moment of its snapshot', async () => {
    let made = 0
    const steps: Steps = {
      create: () => {
        made = Date.now()
      },
      source: () => pause(300),
    }
    const [manifest] = (await play(true, steps)).manifests
    assert.ok(Math.abs(Date.parse(manifest?.time ?? '') - made) < 100)
  })

  test('several resources, one after the other, each with a name', async () => {
    const resources = ['a', 'b'].map((name) => ({ name, path: tree, facts: {} }))
    const ended = await play(true, {}, { resources })
    const each = order.frozen.slice(0, -1)
    assert.deepEqual(ended.log, [...each, ...each.filter((step) => step !== 'stored'), 'end'])
    assert.deepEqual(
      ended.results.map(({ name, resource }) => [name, resource]),
      [
        ['n/a', 'a'],
        ['n/b', 'b'],
      ],
    )
  })

  test('what the snapshot lacks is told of as unread, unless it was left out', async () => {
    const snapshot = { omitted: async () => ['sub', 'deep/cache/sub', 'x.tmp'] }
    const [told] = (await play(true, {}, { snapshot })).results
    assert.equal(told?.unread, 3)
    const ended = await play(true, {}, { snapshot, source: { exclude: ['cache', '*.tmp'] } })
    assert.equal(ended.manifests[0]?.unread, 1)
    assert.deepEqual(
      ended.events.flatMap((event) => (event.type === 'warning' ? [event.warning.path] : [])),
      ['sub'],
    )
    const stays = await play(true, {}, { snapshot, source: { oneFileSystem: true } })
    assert.equal(stays.results[0]?.unread, 0)
    // A name that begins like the way out.
    const dots = await play(true, {}, { snapshot: { omitted: async () => ['..data'] } })
    assert.equal(dots.results[0]?.unread, 1)
  })
})

describe('what fails leaves nothing held, no snapshot and no backup', () => {
  const steps = ['quiesce', 'create', 'release', 'source', 'stored', 'verify', 'committed'] as const
  for (const frozen of [true, false]) {
    for (const at of steps) {
      if (!frozen && (at === 'create' || at === 'verify')) continue
      for (const how of ['fails', 'aborts'] as const) {
        test(`${at} ${how}, ${frozen ? 'with' : 'without'} a snapshot`, async () => {
          const stop = new AbortController()
          const fail = how === 'fails' ? boom : () => stop.abort()
          const ended = await play(frozen, { [at]: fail }, {}, stop)
          assert.equal(code(ended.failure), how === 'fails' ? 'unavailable' : 'interrupted')
          const count = (step: Step) => ended.log.filter((called) => called === step).length
          assert.equal(count('quiesce'), 1)
          assert.equal(count('release'), 1, ended.log.join(' '))
          assert.equal(count('end'), 1)
          assert.equal(ended.log.at(-1), 'end')
          const made = ended.log.includes('create') && !(at === 'create' && how === 'fails')
          assert.equal(count('remove'), made ? 1 : 0, ended.log.join(' '))
          if (made) assert.ok(ended.log.indexOf('release') < ended.log.indexOf('remove'))
          assert.deepEqual(ended.manifests, [])
        })
      }
    }
  }

  test('clean-up gets a signal that is not aborted', async () => {
    const stop = new AbortController()
    const seen: boolean[] = []
    const ended = await play(
      true,
      { create: () => stop.abort(), release: (signal) => seen.push(signal.aborted) },
      {},
      stop,
    )
    assert.deepEqual(seen, [false])
    assert.equal(code(ended.failure), 'interrupted')
  })

  test('a failure of the clean-up is told, and hides nothing', async () => {
    const ended = await play(true, { create: boom, release: boom, end: boom })
    assert.equal(isFailure(ended.failure) && ended.failure.message, 'Boom.')
    assert.equal(warnings(ended).length, 2)
    assert.match(warnings(ended)[0] ?? '', /could not be let go on/)
  })

  test('a release that fails is a failed backup, with and without a snapshot', async () => {
    for (const frozen of [true, false]) {
      const ended = await play(frozen, { release: boom })
      assert.match(String(ended.failure), /could not be let go on, so this is no backup of it: Boom/)
      assert.ok(!ended.log.includes('committed'))
    }
  })

  test('a quiesce that does not look at its signal is let go all the same', async () => {
    const stop = new AbortController()
    const late = async () => {
      stop.abort()
      await pause(200)
    }
    const ended = await play(false, { quiesce: late }, {}, stop)
    assert.deepEqual(ended.log, ['quiesce', 'release', 'end'])
  })

  test('a snapshot that cannot be removed is told with the result, and the backup stands', async () => {
    const ended = await play(true, { remove: boom })
    assert.equal(ended.failure, undefined)
    assert.equal(ended.manifests.length, 1)
    assert.equal(ended.results[0]?.leftover?.code, 'unavailable')
    assert.match(ended.results[0]?.leftover?.message ?? '', /could not be removed: Boom/)
  })

  test('a mode that does not read from the snapshot is refused', async () => {
    const ended = await play(true, {}, { source: { path: tree } })
    assert.equal(code(ended.failure), 'plugin')
    assert.equal(ended.log.at(-2), 'remove')
    assert.deepEqual(ended.manifests, [])
  })
})

describe('the limit of time', () => {
  for (const at of ['quiesce', 'create', 'source', 'stored'] as const) {
    test(`${at} takes too long`, async () => {
      const frozen = at === 'create'
      const slow = (signal: AbortSignal) => pause(2500, undefined, at === 'create' ? { signal } : {})
      const ended = await play(frozen, { [at]: slow }, { request: { maxLock: 1 } })
      if (at === 'stored') {
        // It was let go by then: what was read is uploaded without the lock.
        assert.equal(ended.failure, undefined)
        return
      }
      assert.equal(code(ended.failure), 'source')
      assert.match(String(ended.failure), /held still for 1 seconds, and may be no longer/)
      assert.equal(ended.log.filter((step) => step === 'release').length, 1)
      assert.deepEqual(ended.manifests, [])
    })
  }

  test('more time than a timer can count is no limit', async () => {
    const ended = await play(false, { source: () => pause(50) }, { request: { maxLock: 3_000_000 } })
    assert.equal(ended.failure, undefined)
  })

  test('with a snapshot the copy does not count', async () => {
    const ended = await play(true, { source: () => pause(1500) }, { request: { maxLock: 1 } })
    assert.equal(ended.failure, undefined)
    assert.equal(ended.results.length, 1)
  })
})

describe('which provider', () => {
  const failing = { provider: { covers: async () => new Failure('source', 'It is on ext4.') } }

  test('one that is required and does not cover the path refuses, and says why', async () => {
    const ended = await play(true, {}, failing)
    assert.equal(code(ended.failure), 'refused')
    assert.match(String(ended.failure), /frost: It is on ext4/)
    assert.deepEqual(ended.log, ['end'])
  })

  test('where none is required the tree is backed up as it is', async () => {
    const provider: SnapshotProvider = {
      name: 'frost',
      description: '',
      options: {},
      covers: async () => false,
      create: async () => assert.fail(),
    }
    const snapshot = { providers: [{ provider, options: {} }], required: false }
    const ended = await play(false, {}, { request: { snapshot } })
    assert.deepEqual(ended.log, order.alive)
    assert.equal(ended.results[0]?.snapshot, undefined)
    assert.ok(ended.events.some((event) => event.type === 'log' && event.level === 'info'))
  })

  test('a resource without a path has no snapshot', async () => {
    const ended = await play(true, {}, { resources: [{ name: 'dump', facts: {} }] })
    assert.equal(code(ended.failure), 'refused')
    assert.match(String(ended.failure), /dump.*no directory/)
  })
})

test('a mode that finds nothing is a failure, and no container is made', async () => {
  const ended = await play(false, {}, { resources: [], request: { repository: () => assert.fail() } })
  assert.equal(code(ended.failure), 'source')
  assert.deepEqual(ended.log, ['end'])
})
