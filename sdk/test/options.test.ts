import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  checkOptions,
  declareOptions,
  type Options,
  parseBytes,
  parseDuration,
  spell,
  spellDuration,
} from '../src/contracts/options.ts'

const declarations = declareOptions({
  container: { type: 'path', required: true, help: 'Where.' },
  method: { type: 'string', choices: ['fast', 'small'], default: 'fast', help: 'How.' },
  note: { type: 'string', help: 'What.' },
  exclude: { type: 'list', help: 'Without.' },
  dryRun: { type: 'boolean', help: 'Only say.' },
  maxLevel: { type: 'integer', min: 0, max: 99, help: 'How far.' },
  ratio: { type: 'number', default: 0.5, help: 'How much.' },
  maxSegmentSize: { type: 'bytes', default: 1024, min: 1, help: 'How large.' },
  password: { type: 'string', secret: true, choices: ['a', 'b'], help: 'Hush.' },
  pin: { type: 'integer', secret: true, max: 10, help: 'Hush.' },
  quota: { type: 'bytes', secret: true, help: 'Hush.' },
  maxAge: { type: 'duration', min: 60_000, max: 604_800_000, help: 'How old.' },
})

function check(values: Record<string, unknown>): Options<typeof declarations> {
  return checkOptions(declarations, { container: '/c', ...values })
}

test('fills in defaults, and freezes', () => {
  const options = check({})
  assert.deepEqual(options, {
    container: '/c',
    method: 'fast',
    note: undefined,
    exclude: [],
    dryRun: false,
    maxLevel: undefined,
    ratio: 0.5,
    maxSegmentSize: 1024,
    password: undefined,
    pin: undefined,
    quota: undefined,
    maxAge: undefined,
  })
  assert.ok(Object.isFrozen(options))
})

test('gives values the types that were declared', () => {
  const options = check({})
  const container: string = options.container
  const method: 'fast' | 'small' = options.method
  const level: number | undefined = options.maxLevel
  const age: number | undefined = options.maxAge
  // @ts-expect-error -- an option without default may be missing
  const note: string = options.note
  assert.deepEqual([container, method, level, age, note], ['/c', 'fast', undefined, undefined, undefined])
})

test('converts text as it comes from flags, ini files and the environment', () => {
  const options = check({
    method: 'small',
    exclude: '*.o\n\n*.tmp\r\nlast',
    dryRun: 'Yes',
    maxLevel: '7',
    ratio: '0.25',
    maxSegmentSize: '120M',
    maxAge: '26h',
  })
  assert.deepEqual(options.exclude, ['*.o', '*.tmp', 'last'])
  assert.equal(options.method, 'small')
  assert.equal(options.dryRun, true)
  assert.equal(options.maxLevel, 7)
  assert.equal(options.ratio, 0.25)
  assert.equal(options.maxSegmentSize, 125_829_120)
  assert.equal(options.maxAge, 93_600_000)
})

test('takes typed values as they are, and keeps no list of the caller', () => {
  const exclude = ['a']
  const options = check({ exclude, dryRun: false, maxLevel: 0 })
  exclude.push('b')
  assert.deepEqual(options.exclude, ['a'])
  assert.equal(options.dryRun, false)
  assert.equal(options.maxLevel, 0)
})

test('reads switches in every usual spelling', () => {
  for (const text of ['true', 'TRUE', 'yes', 'on', '1']) assert.equal(check({ dryRun: text }).dryRun, true)
  for (const text of ['false', 'No', 'off', '0', '']) assert.equal(check({ dryRun: text }).dryRun, false)
})

test('refuses what has the wrong form, and names the option', () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ maxLevel: '1.5' }, /--max-level: "1.5" is not a whole number/],
    [{ maxLevel: '' }, /--max-level: "" is not a whole number/],
    [{ maxLevel: 'five' }, /--max-level/],
    [{ maxLevel: '100' }, /--max-level: "100" is out of range: at least 0, at most 99/],
    [{ maxLevel: -1 }, /out of range/],
    [{ maxLevel: Number.NaN }, /not a whole number/],
    [{ maxLevel: 2 ** 60 }, /not a whole number/],
    [{ maxLevel: true }, /not a whole number/],
    [{ ratio: 'Infinity' }, /--ratio: "Infinity" is not a number/],
    [{ maxSegmentSize: '12Q' }, /--max-segment-size: "12Q" is not a size/],
    [{ maxSegmentSize: '0' }, /out of range: at least 1\./],
    [{ maxSegmentSize: '99999999999T' }, /not a size/],
    [{ maxAge: '26' }, /--max-age: "26" is not a duration; write one like 90m, 26h, 2d, 1d12h/],
    [{ maxAge: '59s' }, /--max-age: "59s" is out of range: at least 1m, at most 1w\./],
    [{ maxAge: '8d' }, /out of range/],
    [{ method: 'slow' }, /--method: "slow" is none of fast, small/],
    [{ note: 5 }, /--note: "5" is not a string/],
    [{ dryRun: 'maybe' }, /--dry-run: "maybe" is not true or false/],
    [{ exclude: [1] }, /--exclude: "1" is not a list/],
    [{ container: 7 }, /--container: "7" is not a path/],
    [{ nonsense: 1 }, /There is no option --nonsense/],
    [{ toString: 1 }, /There is no option --to-string/],
  ]
  for (const [values, message] of refused) {
    assert.throws(() => check(values), { code: 'usage', message }, JSON.stringify(values))
  }
})

test('wants what is required; an empty text is not it', () => {
  for (const container of [undefined, '']) {
    assert.throws(() => check({ container }), { code: 'usage', message: '--container is required.' })
  }
})

test('says where a value came from', () => {
  assert.throws(
    () =>
      checkOptions(
        declarations,
        { maxLevel: 'x', container: '/c' },
        (name) => `${spell(name, '_')} in f.ini`,
      ),
    { message: 'max_level in f.ini: "x" is not a whole number.' },
  )
})

test('a secret stands in no message', () => {
  for (const name of ['password', 'pin', 'quota']) {
    for (const value of ['hunter2', '4711', 4711, ['hunter2'], { hunter2: 4711 }]) {
      try {
        check({ [name]: value })
      } catch (error) {
        assert.doesNotMatch(String(error), /hunter2|4711|object/)
      }
    }
  }
  assert.throws(() => check({ pin: '4711' }), { message: '--pin: The value is out of range: at most 10.' })
})

test('sizes have units of 1024', () => {
  const sizes = {
    '0': 0,
    '10': 10,
    '10K': 10_240,
    '1.5k': 1536,
    '2G': 2 ** 31,
    '1 T': undefined,
    '3MiB': 3 * 2 ** 20,
  }
  for (const [text, bytes] of Object.entries(sizes)) {
    if (bytes === undefined) assert.throws(() => parseBytes(text), { code: 'usage' })
    else assert.equal(parseBytes(text), bytes)
  }
  for (const text of ['', '-1', 'K', '1e3', '0x10', '1,5K', '9999999T', 'NaN']) {
    assert.throws(() => parseBytes(text), { code: 'usage' }, text)
  }
})

test('durations are sums of weeks, days, hours, minutes and seconds, never without a unit', () => {
  const hour = 3_600_000
  const durations = {
    '26h': 26 * hour,
    '2d': 48 * hour,
    '90m': 1.5 * hour,
    '1w': 168 * hour,
    '1d12h': 36 * hour,
    ' 1d 12h ': 36 * hour,
    '1.5d': 36 * hour,
    '0.25s': 250,
    '0s': 0,
  }
  for (const [text, milliseconds] of Object.entries(durations)) {
    assert.equal(parseDuration(text), milliseconds, text)
  }
  // An M may be months elsewhere: only what cannot be mistaken is taken.
  for (const text of [
    '',
    '26',
    '-1h',
    '1M',
    '1H',
    'h',
    '1h2',
    '1.h',
    '1e3s',
    '1d,2h',
    '9999999999999w',
    'NaN',
  ]) {
    assert.throws(() => parseDuration(text), { code: 'usage' }, text)
  }
})

test('any duration survives being written as text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (milliseconds) => {
      assert.equal(parseDuration(spellDuration(milliseconds)), milliseconds)
    }),
    { numRuns: 500 },
  )
  assert.deepEqual([93_600_000, 172_800_000, 5_400_000, 0].map(spellDuration), ['26h', '2d', '90m', '0s'])
})

test('any whole number survives being written as text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (size) => {
      assert.equal(parseBytes(String(size)), size)
      assert.equal(check({ maxSegmentSize: String(size) }).maxSegmentSize, size)
    }),
    { numRuns: 200 },
  )
})

test('names are spelled in words', () => {
  assert.equal(spell('maxSegmentSize', '-'), 'max-segment-size')
  assert.equal(spell('maxSegmentSize', '_'), 'max_segment_size')
  assert.equal(spell('queue', '-'), 'queue')
})
