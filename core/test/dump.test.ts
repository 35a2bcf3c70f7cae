import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { ZipSize, zipLimits } from '../src/dump/zip.ts'

const refused = (error: unknown) => isFailure(error) && error.code === 'refused'

test('a zip archive holds 65,535 entries and not one more', () => {
  const size = new ZipSize()
  for (let i = 0; i < zipLimits.entries; i++) size.add('name', 0)
  assert.throws(() => size.add('name', 0), refused)
})

test('a zip archive holds what is sure to stay below 4 GiB, and not more', () => {
  const size = new ZipSize()
  for (let i = 0; i < 4; i++) size.add('name', 2 ** 30 - 2 ** 21)
  assert.throws(() => size.add('name', 2 ** 23), refused)
  assert.throws(() => new ZipSize().add('name', 2 ** 32), refused)
})
