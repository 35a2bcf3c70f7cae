import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { ReportedBackup, RunReport } from '@freezer/sdk'
import * as fc from 'fast-check'
import { updateMetricsFile } from '../src/metrics-file.ts'
import { parseMetrics, recordRun, renderMetrics } from '../src/output/metrics.ts'
import { type Metric, readExposition } from './prometheus.ts'
import { scratchDirectory } from './support.ts'

const scratch = scratchDirectory()

function report(change: Partial<RunReport> = {}): RunReport {
  return {
    run: '0',
    command: 'backup',
    outcome: 'success',
    exitStatus: 0,
    machine: 'm',
    storage: 'local',
    host: 'h',
    name: 'home',
    started: '2026-11-20T12:00:00.000Z',
    ended: '2026-11-20T12:00:01.500Z',
    seconds: 1.5,
    backups: undefined,
    ...change,
  }
}

function backedUp(
  host: string,
  name: string,
  time: string,
  more: ReportedBackup['facts'] = {},
): ReportedBackup {
  const facts = {
    id: 'ab',
    level: 2,
    entries: 10,
    bytes: 1000,
    stored: 500,
    unread: 1,
    changed: 0,
    seconds: 1.25,
  }
  return { host, name, facts: { ...facts, time, ...more } }
}

function read(text: string): Map<string, Metric> {
  return readExposition(Buffer.from(text))
}

/** The text after these runs, each on top of what the ones before wrote. */
function after(...reports: readonly RunReport[]): string {
  let text = ''
  for (const one of reports) {
    const metrics = parseMetrics(text)
    recordRun(metrics, one)
    text = renderMetrics(metrics)
  }
  return text
}

/** The value of a metric with exactly these labels. */
function value(text: string, name: string, labels: Record<string, string>): number | undefined {
  const wanted = JSON.stringify(Object.entries(labels).sort())
  const found = read(text)
    .get(name)
    ?.samples.filter((one) => {
      return JSON.stringify(Object.entries(one.labels).sort()) === wanted
    })
  return found?.[0]?.value
}

const of = { backup_name: 'home', host: 'h', storage: 'local' }
const run = { ...of, command: 'backup' }
const noon = '2026-11-20T12:00:00.000Z'
const later = '2026-11-20T13:00:00.000Z'
const noonSeconds = Date.parse(noon) / 1000

suite('the reader of this test', () => {
  const wrong = {
    'a line that does not end': '# HELP a x\n# TYPE a gauge\na 1',
    'no type': '# HELP a x\na 1\n',
    'no help': '# TYPE a gauge\na 1\n',
    'an odd type': '# HELP a x\n# TYPE a gage\na 1\n',
    'two types': '# HELP a x\n# TYPE a gauge\n# TYPE a gauge\na 1\n',
    'two groups': '# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\na{x="1"} 1\n',
    'a sample twice': '# HELP a x\n# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 1\n',
    'an unknown escape': '# HELP a x\n# TYPE a gauge\na{x="\\t"} 1\n',
    'a line feed in a value': '# HELP a x\n# TYPE a gauge\na{x="\n"} 1\n',
    'no number': '# HELP a x\n# TYPE a gauge\na one\n',
    'a time': '# HELP a x\n# TYPE a gauge\na 1 1500\n',
    'an odd name': '# HELP a-b x\n# TYPE a-b gauge\na-b 1\n',
  }
  for (const [what, text] of Object.entries(wrong)) {
    test(`refuses ${what}`, () => assert.throws(() => read(text)))
  }
  test('reads what is right', () => {
    const [metric] = read('# HELP a x\\\\y\\n\n# TYPE a gauge\na{x="\\\\\\"\\n",} +Inf\n').values()
    const samples = [{ labels: { x: '\\"\n' }, value: Number.POSITIVE_INFINITY }]
    assert.deepEqual(metric, { help: 'x\\y\n', type: 'gauge', samples })
  })
})

test('a backup leaves its figures', () => {
  const text = after(report({ exitStatus: 3, backups: [backedUp('h', 'home', noon)] }))
  const figures = {
    last_success_timestamp_seconds: noonSeconds,
    duration_seconds: 1.25,
    level: 2,
    entries: 10,
    size_bytes: 1000,
    stored_bytes: 500,
    unread_entries: 1,
    changed_entries: 0,
  }
  for (const [name, figure] of Object.entries(figures)) {
    assert.equal(value(text, `freezer_backup_${name}`, of), figure, name)
  }
  assert.equal(value(text, 'freezer_last_run_exit_status', run), 3)
  assert.equal(value(text, 'freezer_last_run_duration_seconds', run), 1.5)
  assert.equal(value(text, 'freezer_last_run_timestamp_seconds', run), noonSeconds + 1.5)
  assert.equal(read(text).size, 11)
})

test('a run that failed says so, and keeps what is known of the last success', () => {
  const good = report({ backups: [backedUp('h', 'home', noon)] })
  const bad = report({ outcome: 'failure', exitStatus: 11, ended: later, seconds: 9 })
  const text = after(good, bad)
  assert.equal(value(text, 'freezer_backup_last_success_timestamp_seconds', of), noonSeconds)
  assert.equal(value(text, 'freezer_backup_entries', of), 10)
  assert.equal(value(text, 'freezer_last_run_exit_status', run), 11)
  assert.equal(value(text, 'freezer_last_run_timestamp_seconds', run), noonSeconds + 3600)
  const again = after(good, bad, report({ backups: [backedUp('h', 'home', later, { entries: 11 })] }))
  assert.equal(value(again, 'freezer_backup_last_success_timestamp_seconds', of), noonSeconds + 3600)
  assert.equal(value(again, 'freezer_backup_entries', of), 11)
  assert.equal(value(again, 'freezer_last_run_exit_status', run), 0)
})

test('names that share a file do not disturb each other', () => {
  const text = after(
    report({ backups: [backedUp('h', 'home', noon)] }),
    report({ name: 'srv', backups: [backedUp('h', 'srv', later)] }),
    report({ command: 'restore', backups: [backedUp('h', 'home', noon, { unrestored: 4 })] }),
    report({ name: 'srv', exitStatus: 9 }),
  )
  assert.equal(value(text, 'freezer_backup_last_success_timestamp_seconds', of), noonSeconds)
  const srv = { ...of, backup_name: 'srv' }
  assert.equal(value(text, 'freezer_backup_last_success_timestamp_seconds', srv), noonSeconds + 3600)
  assert.equal(value(text, 'freezer_last_run_exit_status', { ...srv, command: 'backup' }), 9)
  assert.equal(value(text, 'freezer_last_run_exit_status', run), 0)
  assert.equal(value(text, 'freezer_restore_unrestored_entries', of), 4)
})

test('a status tells of the names that it finds, and forgets those that are gone', () => {
  const found = (name: string, fresh: boolean | undefined): ReportedBackup => {
    return { host: 'h', name, facts: { age: 90.5, fresh, complete: true, backups: 3, time: noon, id: 'x' } }
  }
  const status = (name: string | undefined, ...backups: ReportedBackup[]) =>
    report({ command: 'status', host: undefined, name, backups })
  const both = status(undefined, found('home', true), found('srv', false))
  const names = (text: string) =>
    read(text)
      .get('freezer_status_fresh')
      ?.samples.map(({ labels, value: fresh }) => `${labels.backup_name} ${fresh}`)
  assert.deepEqual(names(after(both)), ['home 1', 'srv 0'])
  assert.equal(value(after(both), 'freezer_status_age_seconds', of), 90.5)
  assert.equal(value(after(both), 'freezer_status_complete', of), 1)
  assert.equal(value(after(both), 'freezer_status_backups', of), 3)
  assert.equal(value(after(both), 'freezer_status_newest_timestamp_seconds', of), noonSeconds)
  const whole = { command: 'status', storage: 'local' }
  assert.equal(value(after(both), 'freezer_last_run_exit_status', whole), 0)

  assert.deepEqual(names(after(both, status(undefined, found('home', false)))), ['home 0'])
  assert.deepEqual(names(after(both, status('home', found('home', false)))), ['home 0', 'srv 0'])
  assert.deepEqual(names(after(both, status('home'))), ['srv 0'])
  assert.deepEqual(names(after(both, status(undefined))), undefined)
  assert.deepEqual(names(after(both, status(undefined, found('home', undefined)))), undefined)
  assert.deepEqual(names(after(both, report({ command: 'status', exitStatus: 9 }))), ['home 1', 'srv 0'])
})

test('a command without figures of its own has those of its run', () => {
  const text = after(report({ command: 'prune', host: undefined, name: undefined, backups: [] }))
  assert.deepEqual(
    [...read(text)].map(([name, { samples }]) => [name, samples[0]?.labels]),
    ['duration_seconds', 'exit_status', 'timestamp_seconds'].map((name) => [
      `freezer_last_run_${name}`,
      { command: 'prune', storage: 'local' },
    ]),
  )
})

test('any name comes out as it was, and goes through the file again and again', () => {
  const name = fc.string({
    minLength: 1,
    maxLength: 12,
    unit: fc.constantFrom(...'\\"\n\r\t{},=# é😀\u2028a\ud800\0'),
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(name, name), { minLength: 1, maxLength: 4 }), (names) => {
      const reports = names.map(([host, backup]) => {
        return report({ host, name: backup, backups: [backedUp(host, backup, noon)] })
      })
      const text = after(...reports, ...reports)
      const found = read(text)
        .get('freezer_backup_level')
        ?.samples.map(({ labels }) => JSON.stringify([labels.host, labels.backup_name]))
      const wanted = new Set(names.map((pair) => JSON.stringify(pair.map((part) => part.toWellFormed()))))
      assert.deepEqual(new Set(found), wanted)
      assert.equal(found?.length, wanted.size)
      assert.equal(renderMetrics(parseMetrics(text)), text)
    }),
    { numRuns: 1000 },
  )
})

test('figures of a newer version stay as they are', () => {
  const newer =
    '# HELP freezer_new_total What.\n# TYPE freezer_new_total counter\nfreezer_new_total{x="a b"} 7\n'
  const metrics = parseMetrics(newer)
  recordRun(metrics, report())
  const text = renderMetrics(metrics)
  read(text)
  assert.ok(text.includes(newer))
})

suite('the file', () => {
  const directory = join(scratch, 'files')
  mkdirSync(directory)
  const file = join(directory, 'home.prom')

  test('is written whole, for others to read, and nothing is left beside it', async () => {
    const umask = process.umask(0o077)
    try {
      await updateMetricsFile(file, report({ backups: [backedUp('h', 'home', noon)] }))
    } finally {
      process.umask(umask)
    }
    assert.equal(lstatSync(file).mode & 0o777, 0o644)
    const inode = lstatSync(file).ino
    await updateMetricsFile(file, report({ exitStatus: 9 }))
    assert.notEqual(lstatSync(file).ino, inode)
    const text = readFileSync(file, 'utf8')
    assert.equal(value(text, 'freezer_last_run_exit_status', run), 9)
    assert.equal(value(text, 'freezer_backup_entries', of), 10)
    assert.deepEqual(readdirSync(directory), ['home.prom'])
  })

  test('an empty one is begun anew', async () => {
    const empty = join(directory, 'empty.prom')
    writeFileSync(empty, '')
    await updateMetricsFile(empty, report())
    assert.equal(read(readFileSync(empty, 'utf8')).size, 3)
  })

  test('that holds anything else is left alone', async () => {
    const others = {
      'a text': 'root:x:0:0\n',
      'figures of another program': '# HELP node_x X.\n# TYPE node_x gauge\nnode_x 1\n',
      'bytes that are no text': Buffer.from([0xff, 0, 0xfe]),
      'figures among other things': `${after(report())}PermitRootLogin no\n`,
    }
    for (const [what, content] of Object.entries(others)) {
      const other = join(directory, 'other')
      writeFileSync(other, content)
      await assert.rejects(updateMetricsFile(other, report()), { code: 'refused' }, what)
      assert.deepEqual(readFileSync(other), Buffer.from(content), what)
    }
    symlinkSync('/dev/stdout', join(directory, 'link'))
    for (const other of ['/dev/null', directory, join(directory, 'link')]) {
      await assert.rejects(updateMetricsFile(other, report()), { code: 'refused' }, other)
    }
    assert.ok(lstatSync(join(directory, 'link')).isSymbolicLink())
  })

  test('that cannot be written is a failure that names why', async () => {
    await assert.rejects(updateMetricsFile(join(directory, 'none', 'x'), report()), { code: 'not-found' })
    await assert.rejects(updateMetricsFile(join(file, 'x'), report()), { code: 'not-found' })
    chmodSync(directory, 0o500)
    try {
      if (process.getuid?.() !== 0) {
        await assert.rejects(updateMetricsFile(file, report()), { code: 'denied' })
      }
    } finally {
      chmodSync(directory, 0o700)
    }
  })

  test('is whole at every moment, whoever writes at once', async () => {
    const shared = join(directory, 'shared.prom')
    await updateMetricsFile(shared, report({ backups: [backedUp('h', 'home', noon)] }))
    const written = new AbortController()
    const reader = (async () => {
      let reads = 0
      for (; !written.signal.aborted || reads === 0; reads++) {
        assert.ok(read(readFileSync(shared, 'utf8')).size >= 3)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return reads
    })()
    const runs = Array.from({ length: 60 }, (_, i) =>
      updateMetricsFile(shared, report({ name: `n${i % 7}`, backups: [backedUp('h', `n${i % 7}`, noon)] })),
    )
    await Promise.all(runs)
    written.abort()
    assert.ok((await reader) > 10)
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.includes('tmp')),
      [],
    )
  })
})
