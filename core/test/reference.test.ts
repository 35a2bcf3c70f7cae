import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { parseDate } from '../src/dates.ts'
import { parseReference } from '../src/reference.ts'

test('a backup is named by an id or its beginning, by "latest", or by a date', () => {
  assert.equal(parseReference('latest'), 'latest')
  assert.deepEqual(parseReference('7'), { id: '7' })
  assert.deepEqual(parseReference('2026'), { id: '2026' })
  assert.deepEqual(parseReference('ABCDEF0123456789abcdef0123456789'), {
    id: 'abcdef0123456789abcdef0123456789',
  })
  for (const date of ['2026-07-01', '2026-07-01T10:30', '2026-07-01 10:30:05+02:00']) {
    assert.deepEqual(parseReference(date), { before: parseDate(date) })
  }
})

for (const text of ['', 'newest', 'Latest', 'xyz', '0123456789abcdef0123456789abcdef0', '../a', '/etc']) {
  test(`"${text}" is none of these, and the failure says what is`, () => {
    assert.throws(
      () => parseReference(text),
      (error) =>
        isFailure(error) && error.code === 'usage' && /id.*latest.*2026-07-01/.test(error.remedy ?? ''),
    )
  })
}

test('a wrong date is refused as a date', () => {
  assert.throws(
    () => parseReference('2026-13-01'),
    (error) => isFailure(error) && error.code === 'usage' && error.message.includes('not a date'),
  )
})
