import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { localTime, parseDate } from '../src/dates.ts'

// A zone with a summer time, so that a day is not always 24 hours.
process.env.TZ = 'Europe/Berlin'

for (const [text, expected] of [
  ['2026-07-01', '2026-07-01T21:59:59.999Z'],
  ['2026-03-29', '2026-03-29T21:59:59.999Z'],
  ['2026-10-25', '2026-10-25T22:59:59.999Z'],
  ['2024-02-29', '2024-02-29T22:59:59.999Z'],
  ['2025-12-31', '2025-12-31T22:59:59.999Z'],
  ['2026-07-01T10:30', '2026-07-01T08:30:59.999Z'],
  ['2026-07-01 10:30:05', '2026-07-01T08:30:05.999Z'],
  ['2026-07-01T10:30:05.25', '2026-07-01T08:30:05.250Z'],
  ['2026-07-01T10:30:05.123456789Z', '2026-07-01T10:30:05.123Z'],
  ['2026-07-01T10:30:05Z', '2026-07-01T10:30:05.999Z'],
  ['2026-07-01T10:30:05+02:00', '2026-07-01T08:30:05.999Z'],
  ['2026-07-01t10:30-0930', '2026-07-01T20:00:59.999Z'],
  [' 2026-07-01T10:30:00 +02 ', '2026-07-01T08:30:00.999Z'],
] as const) {
  test(`${text} means ${expected} at the latest`, () => {
    assert.equal(parseDate(text).toISOString(), expected)
  })
}

for (const text of [
  '',
  'yesterday',
  '2026',
  '2026-7-1',
  '2026-13-01',
  '2026-00-10',
  '2026-02-29',
  '2026-06-31',
  '2026-07-01T24:00',
  '2026-07-01T10',
  '2026-07-01T10:60',
  '2026-07-01T10:30:60',
  '2026-07-01T10:30+25:00',
  '2026-07-01Z',
  '01.07.2026',
]) {
  test(`"${text}" is no date`, () => {
    assert.throws(
      () => parseDate(text),
      (error) => isFailure(error) && error.code === 'usage',
    )
  })
}

test('the time that a listing shows finds the backup that it was shown for', () => {
  for (const iso of ['2026-07-01T08:30:05.000Z', '2026-07-01T08:30:05.999Z', '2026-12-31T23:00:00.001Z']) {
    const shown = localTime(iso)
    const wanted = Date.parse(iso)
    const found = parseDate(shown).getTime()
    assert.ok(found >= wanted && found < wanted + 1000, `${iso} ${shown}`)
  }
})
