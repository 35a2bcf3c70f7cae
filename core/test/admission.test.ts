import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProviderKind } from '@freezer/sdk'
import { apiVersion, isFailure } from '@freezer/sdk'
import type { Candidate } from '../src/admission.ts'
import { admit } from '../src/admission.ts'
import { guarded } from '../src/loading.ts'

/** Providers that do nothing, and have the form of their contracts. */
const provider = (name: string) => ({
  name,
  description: name,
  options: {},
  module: 'file:///none.js',
  open: async () => {},
  target: async () => {},
  notify: async () => {},
  backup: async () => {},
  restore: async () => {},
  list: async () => {},
})

const [major, minor] = apiVersion.split('.').map(Number) as [number, number]
const good = candidate('good', { api: apiVersion, provides: { storage: ['shelf'], mode: ['thing'] } })
const goodPlugin = { storages: [provider('shelf')], modes: [provider('thing')] }

function candidate(name: string, manifest: unknown, origin: Candidate['origin'] = 'installed'): Candidate {
  return { package: name, version: '1.0.0', file: `/plugins/${name}/package.json`, manifest, origin }
}

/** A registry with the good plugin and those of `modules`, and the names of what was loaded. */
function registryOf(modules: readonly (readonly [Candidate, unknown])[]) {
  const loaded: string[] = []
  const all = [[good, goodPlugin] as const, ...modules]
  const registry = admit(
    all.map(([one]) => one),
    async (one) => {
      loaded.push(one.package)
      const module = all.find(([known]) => known === one)?.[1]
      if (module instanceof Error) throw module
      if (typeof module === 'function') return module()
      return module
    },
    [],
  )
  return { registry, loaded }
}

const refusedAtOnce = {
  'a newer minor': [{ api: `${major}.${minor + 1}`, provides: {} }, /made for API/, /Update Freezer/],
  'a newer major': [{ api: `${major + 1}.0`, provides: { oven: ['hot'] } }, /made for API/, /Update Freezer/],
  'an older major': [{ api: `${major - 1}.9`, provides: {} }, /made for API/, /Install a newer/],
  'no object': ['1.0', /not an object/, /author/],
  'no api': [{ provides: {} }, /"api"/, /author/],
  'an odd api': [{ api: '1', provides: {} }, /"api"/, /author/],
  'no provides': [{ api: apiVersion }, /"provides"/, /author/],
  'an unknown kind of an older minor': [
    { api: `${major}.0`, provides: { oven: ['hot'] } },
    /unknown kind "oven"/,
    /author/,
  ],
  'an unknown kind': [{ api: apiVersion, provides: { oven: ['hot'] } }, /unknown kind "oven"/, /author/],
  'no list of names': [{ api: apiVersion, provides: { mode: 'x' } }, /"provides.mode"/, /author/],
  'an odd name': [{ api: apiVersion, provides: { mode: ['../x'] } }, /"provides.mode"/, /author/],
  'a name twice': [{ api: apiVersion, provides: { mode: ['x', 'x'] } }, /twice/, /author/],
} as const

for (const [what, [manifest, message, remedy]] of Object.entries(refusedAtOnce)) {
  test(`a plugin with ${what} is refused alone and never loaded`, async () => {
    const { registry, loaded } = registryOf([[candidate('bad', manifest), {}]])
    const [refusal] = registry.refusals
    assert.equal(registry.refusals.length, 1)
    assert.equal(refusal?.package, 'bad')
    assert.equal(refusal?.file, '/plugins/bad/package.json')
    assert.match(refusal?.message ?? '', message)
    assert.match(refusal?.remedy ?? '', remedy)
    assert.equal((await registry.get('storage', 'shelf')).name, 'shelf')
    assert.deepEqual(loaded, ['good'])
  })
}

const refusedWhenUsed = {
  'throws on import': [new Error('boom'), /cannot be loaded: boom/],
  'has no default export': [undefined, /a plugin as its default export/],
  'is a function': [() => () => {}, /a plugin as its default export/],
  'lacks what it promised': [{ storages: [provider('other')] }, /the storage "attic"/],
  'has a member that is no list': [{ storages: 'attic' }, /the storage "attic"/],
  'has a provider without functions': [
    { storages: [{ ...provider('attic'), open: 'sesame' }] },
    /breaks the contract: the storage "attic" has no function open/,
  ],
  'has a provider without a description': [
    { storages: [{ ...provider('attic'), description: undefined }] },
    /has no description/,
  ],
  'has a provider without options': [
    { storages: [{ ...provider('attic'), options: null }] },
    /has no options/,
  ],
  'declares an option of no type': [
    { storages: [{ ...provider('attic'), options: { shelf: { type: 'wood', help: '' } } }] },
    /the option shelf without a type/,
  ],
  'declares an option without help': [
    { storages: [{ ...provider('attic'), options: { shelf: { type: 'path' } } }] },
    /the option shelf without help/,
  ],
  'declares an option that cannot be a flag': [
    { storages: [{ ...provider('attic'), options: { 'my-shelf': { type: 'path', help: '' } } }] },
    /"my-shelf", which is not written likeThis/,
  ],
  'ends the program when it is loaded': [() => process.exit(0), /tries to end the program .*status 0/],
} as const

for (const [what, [module, message]] of Object.entries(refusedWhenUsed)) {
  test(`a plugin that ${what} is refused when it is used`, async () => {
    const bad = candidate('bad', { api: apiVersion, provides: { storage: ['attic'] } })
    const { registry, loaded } = registryOf([[bad, module]])
    assert.equal(registry.refusals.length, 0)
    await assert.rejects(registry.get('storage', 'attic'), (error) => {
      assert.ok(isFailure(error))
      assert.equal(error.code, 'plugin')
      assert.match(error.message, message)
      assert.deepEqual(error.facts, { package: 'bad', file: '/plugins/bad/package.json' })
      assert.notEqual(error.remedy, undefined)
      return true
    })
    assert.equal(registry.refusals[0]?.package, 'bad')
    assert.deepEqual(
      (await registry.all('storage')).map(({ name }) => name),
      ['shelf'],
    )
    assert.deepEqual(loaded, ['bad', 'good'])
  })
}

test('a name that two plugins provide is refused, naming both; their other names work', async () => {
  const rival = candidate('rival', { api: apiVersion, provides: { storage: ['shelf', 'box'] } })
  const { registry } = registryOf([[rival, { storages: [provider('shelf'), provider('box')] }]])
  assert.match(registry.refusals[0]?.message ?? '', /good \(\/plugins\/good.*rival \(\/plugins\/rival/)
  await assert.rejects(registry.get('storage', 'shelf'), /both good .* and rival/)
  assert.equal((await registry.get('storage', 'box')).name, 'box')
  assert.equal((await registry.get('mode', 'thing')).name, 'thing')
})

test('a provider that is not there: what is installed is named, nothing is loaded', async () => {
  const { registry, loaded } = registryOf([[candidate('old', { api: '0.1', provides: {} }), {}]])
  const missing: [ProviderKind, string][] = [
    ['storage', 'swift'],
    ['engine', 'toString'],
  ]
  for (const [kind, name] of missing) {
    await assert.rejects(registry.get(kind, name), (error) => {
      assert.ok(isFailure(error))
      assert.equal(error.code, 'plugin')
      assert.equal(error.message, `There is no ${kind} "${name}".`)
      assert.match(error.remedy ?? '', kind === 'storage' ? /^Installed: shelf\./ : /^Installed: none\./)
      assert.match(error.remedy ?? '', /old was refused/)
      return true
    })
  }
  assert.deepEqual(loaded, [])
})

test('a plugin is loaded once, and only when one of its providers is used', async () => {
  const spare = candidate('spare', { api: `${major}.0`, provides: { engine: ['steam'] } })
  const { registry, loaded } = registryOf([[spare, { engines: [provider('steam')] }]])
  assert.deepEqual(registry.names('engine'), ['steam'])
  await Promise.all([registry.get('storage', 'shelf'), registry.get('mode', 'thing')])
  assert.deepEqual(loaded, ['good'])
})

test('a plugin of an older minor takes part; one that only notifies does too', async () => {
  assert.ok(minor > 0)
  const older = candidate('older', { api: `${major}.${minor - 1}`, provides: { engine: ['steam'] } })
  const bell = candidate('bell', { api: apiVersion, provides: { notifier: ['bell'] } })
  const { registry } = registryOf([
    [older, { engines: [provider('steam')] }],
    [bell, { notifiers: [provider('bell')] }],
  ])
  assert.deepEqual(registry.refusals, [])
  assert.equal((await registry.get('engine', 'steam')).name, 'steam')
  assert.equal((await registry.get('notifier', 'bell')).name, 'bell')
  assert.deepEqual(registry.names('notifier'), ['bell'])
})

for (const [order, at] of [
  ['before', 0],
  ['after', 1],
] as const) {
  test(`no plugin takes over a name of the program's own, listed ${order} it`, async () => {
    const own = candidate('own', { api: apiVersion, provides: { engine: ['steam'] } }, 'bundled')
    const thief = candidate('thief', { api: apiVersion, provides: { engine: ['steam', 'wind'] } })
    const modules = [
      [own, { engines: [provider('steam')] }],
      [thief, { engines: [provider('steam'), provider('wind')] }],
    ] as const
    const { registry, loaded } = registryOf(at === 0 ? modules : modules.toReversed())
    assert.deepEqual(
      registry.refusals.map((refusal) => refusal.package),
      ['thief'],
    )
    await registry.get('engine', 'steam')
    assert.deepEqual(loaded, ['own'])
    assert.equal((await registry.get('engine', 'wind')).name, 'wind')
  })
}

test('a plugin that a veto speaks against is refused with its words, and frees what it contended for', async () => {
  const rival = candidate('rival', { api: apiVersion, provides: { storage: ['shelf'] } })
  const { registry, loaded } = registryOf([[rival, { storages: [provider('shelf')] }]])
  await assert.rejects(registry.get('storage', 'shelf'), /both/)
  const rest = registry.without(({ package: name }) =>
    name === 'rival' ? { message: 'it is not welcome.', remedy: 'Ask.' } : undefined,
  )
  assert.deepEqual(
    rest.refusals.map(({ package: name, message }) => [name, message]),
    [['rival', 'it is not welcome.']],
  )
  assert.equal((await rest.get('storage', 'shelf')).name, 'shelf')
  assert.deepEqual(loaded, ['good'])
})

test('a plugin that never finishes loading is given up, and process.exit is as before', async () => {
  const exit = process.exit
  await assert.rejects(
    guarded(() => new Promise(() => {}), 50),
    /not finished loading after 0.05 seconds/,
  )
  assert.equal(process.exit, exit)
})

test('what can be done about a missing provider is said first', async () => {
  const registry = admit(
    [good],
    async () => goodPlugin,
    [],
    (kind, name) => (kind === 'storage' && name === 'swift' ? 'Fetch it.' : undefined),
  )
  await assert.rejects(registry.get('storage', 'swift'), (error) => {
    assert.ok(isFailure(error))
    assert.equal(error.remedy, 'Fetch it. Installed: shelf.')
    return true
  })
})
