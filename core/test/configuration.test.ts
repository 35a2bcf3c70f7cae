import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { test } from 'node:test'
import type { OptionDeclarations } from '@freezer/sdk'
import { isFailure } from '@freezer/sdk'
import type { Sources } from '../src/configuration.ts'
import { refuseUnknownKeys, settings, settle, values } from '../src/configuration.ts'
import { parseIni } from '../src/ini.ts'

const declarations = {
  maxLevel: { type: 'integer', default: 9, help: '' },
  alwaysLevel: { type: 'integer', help: '' },
  incremental: { type: 'boolean', default: true, help: '' },
  exclude: { type: 'list', help: '' },
  container: { type: 'path', help: '' },
  password: { type: 'string', secret: true, choices: ['right'], help: '' },
} as const satisfies OptionDeclarations

function sources(
  commandLine: Record<string, unknown>,
  ini: string,
  environment: Record<string, string>,
): Sources {
  return { commandLine, ini: parseIni(ini, '/f.ini'), environment }
}

function read(...given: Parameters<typeof sources>) {
  return values(declarations, settings(declarations, sources(...given)))
}

function failure(code: string, words: string) {
  return (error: unknown) => {
    assert.ok(isFailure(error), String(error))
    assert.equal(error.code, code)
    assert.ok(error.message.includes(words), error.message)
    return true
  }
}

// Every combination of the sources that say something: the first of them in the order of precedence wins.
const levels = { commandLine: 1, ini: 2, environment: 3, default: 9 } as const
for (let mask = 0; mask < 8; mask++) {
  const given = {
    commandLine: (mask & 4) !== 0,
    ini: (mask & 2) !== 0,
    environment: (mask & 1) !== 0,
    default: true,
  }
  const winner = (Object.keys(given) as (keyof typeof given)[]).find((source) => given[source]) ?? 'default'
  const named = Object.entries(given).filter(([, is]) => is)
  test(`of ${named.map(([name]) => name).join(', ')}: ${winner} wins`, () => {
    const options = read(
      given.commandLine
        ? { maxLevel: '1', incremental: false, exclude: ['c'], container: '/c', password: 'right' }
        : {},
      given.ini ? 'max_level=2\nincremental=yes\nexclude=i\nexclude=j\ncontainer=/i' : '',
      given.environment
        ? {
            FREEZER_MAX_LEVEL: '3',
            FREEZER_INCREMENTAL: 'no',
            FREEZER_EXCLUDE: 'e\nf',
            FREEZER_CONTAINER: '/e',
          }
        : {},
    )
    assert.equal(options.maxLevel, levels[winner])
    assert.equal(
      options.incremental,
      { commandLine: false, ini: true, environment: false, default: true }[winner],
    )
    assert.deepEqual(
      options.exclude,
      { commandLine: ['c'], ini: ['i', 'j'], environment: ['e', 'f'], default: [] }[winner],
    )
    assert.equal(
      options.container,
      { commandLine: '/c', ini: '/i', environment: '/e', default: undefined }[winner],
    )
  })
}

test('the last of several lines wins, and no_ turns a boolean around', () => {
  assert.equal(read({}, 'max-level=1\nmax_level=4', {}).maxLevel, 4)
  assert.equal(read({}, 'no_incremental = true', {}).incremental, false)
  assert.equal(read({}, 'no_incremental = False', {}).incremental, true)
  assert.equal(read({}, 'incremental = true\nno-incremental = on', {}).incremental, false)
  assert.equal(read({}, '', { FREEZER_NO_INCREMENTAL: '1' }).incremental, false)
})

test('a wrong value is told with the place it was written in', () => {
  assert.throws(
    () => read({ maxLevel: 'x' }, '', {}),
    failure('usage', '--max-level: "x" is not a whole number'),
  )
  assert.throws(
    () => read({}, '\nmax_level = x', {}),
    failure('configuration', 'max_level in /f.ini line 2: "x" is not a whole number'),
  )
  assert.throws(
    () => read({}, '', { FREEZER_MAX_LEVEL: '1.5' }),
    failure('configuration', 'FREEZER_MAX_LEVEL: "1.5"'),
  )
  assert.throws(
    () => read({}, 'no_incremental = perhaps', {}),
    failure('configuration', 'no_incremental in /f.ini line 1: "perhaps" is not true or false'),
  )
})

test('a secret that is wrong is not repeated', () => {
  assert.throws(
    () => read({}, 'password = hunter2', {}),
    (error) => isFailure(error) && !error.message.includes('hunter2') && error.message.includes('line 1'),
  )
})

test('a required option that nobody gave is missing by its flag', () => {
  const required = { backupName: { type: 'string', required: true, help: '' } } as const
  assert.throws(
    () => values(required, settings(required, sources({}, '', {}))),
    failure('usage', '--backup-name is required'),
  )
})

test('paths come out absolute; ~ is the home directory where no shell has seen it', () => {
  assert.equal(read({ container: 'here' }, '', {}).container, resolve('here'))
  assert.equal(read({ container: '~/here' }, '', {}).container, resolve('~/here'))
  assert.equal(read({}, 'container = ~/here', {}).container, resolve(homedir(), 'here'))
  assert.equal(read({}, 'container = ~you/here', {}).container, resolve('~you/here'))
  assert.equal(read({}, '', { FREEZER_CONTAINER: '~' }).container, homedir())
  assert.throws(() => read({ container: '' }, '', {}), failure('usage', '--container is empty'))
})

test('contradictions of one source fail, of two the winning source stays', () => {
  const pairs = [
    { names: ['maxLevel', 'alwaysLevel'] },
    { names: ['incremental', 'maxLevel'], clash: (incremental: unknown) => incremental === false },
  ] as const
  const settled = (...given: Parameters<typeof sources>) => {
    const found = settings(declarations, sources(...given))
    settle(found, pairs)
    return [...found.keys()].sort()
  }
  assert.throws(
    () => settled({ maxLevel: '1', alwaysLevel: '2' }, '', {}),
    failure('usage', '--max-level and --always-level contradict'),
  )
  assert.throws(
    () => settled({}, 'max_level=1\nalways_level=2', {}),
    failure('configuration', 'max_level in /f.ini line 1 and always_level in /f.ini line 2'),
  )
  assert.throws(
    () => settled({ incremental: false, maxLevel: '1' }, '', {}),
    failure('usage', '--no-incremental and --max-level'),
  )
  assert.deepEqual(settled({ incremental: true, maxLevel: '1' }, '', {}), ['incremental', 'maxLevel'])
  assert.deepEqual(settled({ alwaysLevel: '1' }, 'max_level=1', {}), ['alwaysLevel'])
  assert.deepEqual(settled({ incremental: false }, 'max_level=1', {}), ['incremental'])
  assert.deepEqual(settled({}, 'max_level=1', { FREEZER_ALWAYS_LEVEL: '1' }), ['maxLevel'])
})

test('keys of others are left alone, keys of nobody are refused', async () => {
  const others = async () => ({ sshHost: { type: 'string', help: '' } }) as const
  const ini = (text: string) => parseIni(text, '/f.ini')
  await refuseUnknownKeys(undefined, declarations, others)
  await refuseUnknownKeys(ini('max_level=1\nno_incremental=1\nssh_host=h'), declarations, others)
  await refuseUnknownKeys(ini('max_level=1'), declarations, () =>
    assert.fail('others were asked for nothing'),
  )
  await assert.rejects(refuseUnknownKeys(ini('\nmax_levle=1'), declarations, others), (error) => {
    assert.ok(isFailure(error))
    assert.equal(error.code, 'configuration')
    assert.equal(error.message, '/f.ini line 2: there is no option max_levle.')
    assert.equal(error.remedy, 'Perhaps max_level is meant.')
    return true
  })
})
