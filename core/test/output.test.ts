import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@freezer/sdk'
import { nearest } from '../src/nearest.ts'
import { ClosedOutput, Output } from '../src/output/output.ts'
import { progressLine, Rate } from '../src/output/progress.ts'
import type { Presentation } from '../src/output/reporter.ts'
import { Reporter } from '../src/output/reporter.ts'
import {
  age,
  clock,
  count,
  duration,
  facts,
  jsonLine,
  size,
  table,
  visible,
  width,
} from '../src/output/text.ts'

const escape = '\u001b'
const hostile = `a${escape}[2Jb\nc\r\u009bd\u202ee\u2028f\ud800g`

test('nothing in a name can steer a terminal', () => {
  assert.equal(visible(hostile), 'a\\x1b[2Jb\\x0ac\\x0d\\x9bd\\u202ee\\u2028f\\ud800g')
  assert.equal(visible('Grüße 😀 日本'), 'Grüße 😀 日本')
  const line = jsonLine({ path: hostile, face: '😀' })
  assert.doesNotMatch(line, /[\p{Cc}\p{Cs}\u2028\u202e]/v)
  assert.deepEqual(JSON.parse(line), { path: hostile, face: '😀' })
})

test('sizes, counts and times', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 1048550, 1048576, 5 * 2 ** 40].map(size), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '5.0 TiB',
  ])
  assert.deepEqual([0, 999, 1000, 1234567].map(count), ['0', '999', '1,000', '1,234,567'])
  assert.deepEqual([0.421, 12.34, 65, 7384].map(duration), ['0.42 s', '12.3 s', '1:05', '2:03:04'])
  assert.deepEqual([7, 59.6, 3600].map(clock), ['0:07', '1:00', '1:00:00'])
  assert.deepEqual([0, 59.9, 60, 3599, 7500, 93_600, 86_400 * 400, -300].map(age), [
    '0s',
    '59s',
    '1m',
    '59m',
    '2h 5m',
    '1d 2h',
    '400d 0h',
    '5m ahead',
  ])
})

test('columns of a table line up, whatever a name is made of', () => {
  const lines = table(
    [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'HOST' }],
    [
      ['a', '1 B', 'h'],
      ['日本', '20 MiB', ''],
      ['e\u0301\n', '3 B', 'host'],
    ],
  )
  assert.deepEqual(lines, [
    'NAME     SIZE  HOST',
    'a         1 B  h',
    '日本   20 MiB',
    'e\u0301\\x0a     3 B  host',
  ])
  assert.deepEqual(['', 'abc', '日本', 'e\u0301', '😀'].map(width), [0, 3, 4, 1, 2])
  assert.deepEqual(
    facts([
      ['Name', `a${escape}`],
      ['Entries', '3'],
    ]),
    ['Name:    a\\x1b', 'Entries: 3'],
  )
})

test('a rate follows what happened lately', () => {
  const rate = new Rate()
  rate.add(0, 3)
  assert.equal(rate.value, undefined)
  rate.add(1000, 4)
  assert.equal(rate.value, 1000)
  rate.add(2000, 4)
  assert.equal(rate.value, 1000)
  for (let second = 5; second < 40; second++) rate.add(1000 + (second - 4) * 50, second)
  assert.ok(Math.abs((rate.value ?? 0) - 50) < 5, String(rate.value))
})

test('a progress line says less where there is less room, and never more than fits', () => {
  const progress = { phase: 'restore', entries: 1234, bytes: 512 * 2 ** 20, stored: 0, total: 2 ** 30 }
  assert.equal(
    progressLine(progress, 128 * 2 ** 20, 4, 120),
    'restore  [##########..........]   50%  512.0 MiB / 1.0 GiB  128.0 MiB/s  0:04 left  1,234 entries',
  )
  assert.equal(
    progressLine({ ...progress, total: undefined }, undefined, 65, 80),
    'restore  512.0 MiB  1:05  1,234 entries',
  )
  for (let columns = 1; columns < 140; columns++) {
    assert.ok(width(progressLine(progress, 1, 4, columns)) <= columns, String(columns))
  }
  assert.match(progressLine({ ...progress, total: 0 }, 0, 1, 80), /^restore  512/)
  assert.match(progressLine({ ...progress, bytes: 2 ** 31 }, 1, 1, 80), /100%.*0:00 left/)
})

/** A reporter, what it wrote, and its clock. */
function reporter(presentation: Partial<Presentation>, isTTY = false) {
  const out = { stdout: '', stderr: '', now: 0 }
  const screen = {
    stdout: { write: (text: string) => (out.stdout += text) },
    stderr: { write: (text: string) => (out.stderr += text), isTTY, columns: 60 },
    now: () => out.now,
  }
  const all = { json: false, quiet: false, progress: true, debug: false, ...presentation }
  return { out, reporter: new Reporter(all, screen) }
}

const progress = (bytes: number) =>
  ({ type: 'progress', progress: { phase: 'backup', entries: 1, bytes, stored: 0 } }) as const
const warning = { type: 'warning', warning: { kind: 'unread', path: hostile, message: 'no' } } as const
const outcome = { json: { id: 'x' }, lines: ['Backed up'] }

test('on a terminal: a bar ten times a second, taken away for lines and at the end', () => {
  const { out, reporter: shown } = reporter({}, true)
  for (out.now = 0; out.now < 1000; out.now += 10) shown.report(progress(out.now))
  const bars = out.stderr.split('\r').length - 1
  assert.ok(bars >= 9 && bars <= 11, String(bars))
  shown.report(warning)
  const clear = `\r${escape}[K`
  assert.ok(out.stderr.includes(`${clear}unread: ${visible(hostile)}: no\n${clear}backup`))
  assert.equal(shown.finish(outcome), 0)
  assert.ok(out.stderr.endsWith(clear))
  assert.equal(out.stdout, 'Backed up\n')
})

test('not on a terminal: no bar, warnings as lines', () => {
  const { out, reporter: shown } = reporter({})
  shown.report(progress(1))
  shown.report(warning)
  shown.report({ type: 'log', level: 'info', message: 'hidden' })
  shown.report({ type: 'log', level: 'warn', message: 'seen' })
  assert.equal(out.stderr, `unread: ${visible(hostile)}: no\nwarn: seen\n`)
})

test('as JSON: lines on stderr, the last progress among them, one object on stdout', () => {
  const { out, reporter: shown } = reporter({ json: true })
  for (out.now = 0; out.now < 1000; out.now += 10) shown.report(progress(out.now))
  shown.report(warning)
  shown.report({ type: 'log', level: 'warn', message: 'seen' })
  const failure = new Failure('incomplete', 'Some.', { remedy: 'Look.' })
  assert.equal(shown.finish({ ...outcome, failure }), 3)
  const events = out.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    events.map(({ type }) => type),
    ['progress', 'progress', 'warning', 'log', 'progress'],
  )
  assert.equal(events.at(-1).bytes, 990)
  assert.equal(events[2].path, hostile)
  assert.deepEqual(JSON.parse(out.stdout), {
    id: 'x',
    failure: { code: 'incomplete', message: 'Some.', remedy: 'Look.', facts: {} },
  })
})

test('quiet: failures alone', () => {
  const { out, reporter: shown } = reporter({ quiet: true }, true)
  shown.report(progress(1))
  shown.report(warning)
  assert.equal(shown.finish(outcome), 0)
  assert.equal(out.stdout + out.stderr, '')
  assert.equal(shown.fail(new Failure('refused', 'No.', { remedy: 'Ask.' })), 5)
  assert.equal(out.stderr, 'freezer: No. Ask.\n')
})

test('debug: log events, and where a failure came from', () => {
  const { out, reporter: shown } = reporter({ debug: true })
  shown.report({ type: 'log', level: 'debug', message: 'deep' })
  shown.fail(new Failure('damaged', 'Bad.', { cause: new TypeError('inner') }))
  assert.match(out.stderr, /^debug: deep\nfreezer: Bad.\nFailure: Bad.\n +at .*TypeError: inner\n +at /s)
})

test('a defect is said to be one', () => {
  const { out, reporter: shown } = reporter({})
  assert.equal(shown.fail(new TypeError('x is undefined')), 1)
  assert.match(out.stderr, /^freezer: x is undefined .*report it/)
})

test('the nearest word is proposed, a far one is not', () => {
  const known = ['--container', '--backup-name', '--config', '--exclude']
  assert.equal(nearest('--contaner', known), '--container')
  assert.equal(nearest('--ocnfig', known), '--config')
  assert.equal(nearest('--exlcude', known), '--exclude')
  assert.equal(nearest('--zzzzzzzz', known), undefined)
  assert.equal(nearest('x', []), undefined)
})

/** An output of a list, and what it wrote. */
function listing(json: boolean, error?: Error) {
  const out = { text: '', writes: 0, underWay: 0 }
  const sink = {
    write(data: string | Uint8Array, written?: (error?: Error | null) => void) {
      out.text += Buffer.from(data).toString()
      out.writes++
      out.underWay++
      setImmediate(() => {
        out.underWay--
        written?.(error)
      })
    },
  }
  return { out, output: new Output({ json, quiet: false }, sink, () => {}) }
}

test('a long list is written as it comes, one piece after the other, and is one JSON object', async () => {
  for (const json of [true, false]) {
    const { out, output } = listing(json)
    const show = output.list('items')
    for (let i = 0; i < 20_000; i++) {
      await show({ number: i }, `line ${i}`)
      assert.equal(out.underWay, 0)
    }
    assert.ok(out.writes >= 3, String(out.writes))
    const text = out.text + output.end({ rest: 'x' }, ['end'])
    if (json) {
      const { items, rest } = JSON.parse(text)
      assert.equal(rest, 'x')
      assert.deepEqual(
        items.map(({ number }: { number: number }) => number),
        Array.from({ length: 20_000 }, (_, i) => i),
      )
    } else assert.equal(text, `${Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('')}end\n`)
  }
})

test('an empty list, no other members, and a failure in the middle: valid JSON each time', () => {
  const empty = listing(true).output
  empty.list('items')
  assert.deepEqual(JSON.parse(empty.end({}, [])), { items: [] })
  const failed = listing(true).output
  failed.list('items')
  assert.deepEqual(JSON.parse(failed.fail({ failure: 1 })), { failure: 1 })
  const middle = listing(true).output
  void middle.list('items')({ a: hostile }, '')
  assert.deepEqual(JSON.parse(middle.fail({ failure: 1 })), { items: [{ a: hostile }], failure: 1 })
})

test('output that nobody reads ends the work; a full disk is a failure', async () => {
  const closed = listing(true, Object.assign(new Error('no reader'), { code: 'EPIPE' }))
  await assert.rejects(closed.output.bytes(Buffer.from('x')), ClosedOutput)
  assert.equal(reporter({}).reporter.fail(new ClosedOutput()), 141)
  const full = listing(true, Object.assign(new Error('full'), { code: 'ENOSPC' }))
  await assert.rejects(
    full.output.bytes(Buffer.from('x')),
    (error) => error instanceof Failure && error.code === 'no-space',
  )
})
