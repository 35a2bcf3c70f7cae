import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import * as fc from 'fast-check'
import {
  blockSize,
  decodeHeader,
  decodeNumber,
  decodePax,
  encodeHeader,
  encodePaxHeader,
  flags,
  formatTime,
  octal8,
  octal12,
  PaxRecords,
  padded,
  parseTime,
} from '../src/header.ts'

const damaged = (error: unknown) => isFailure(error) && error.code === 'damaged'

const byteString = (maxLength: number) =>
  fc
    .uint8Array({ maxLength })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 ? 1 : byte))).toString('latin1'))

const header = fc.record(
  {
    name: byteString(100).map((name) => `a${name}`.slice(0, 100)),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: octal8 }),
    gid: fc.integer({ min: 0, max: octal8 }),
    size: fc.integer({ min: 0, max: octal12 }),
    mtime: fc.integer({ min: 0, max: octal12 }),
    flag: fc.constantFrom(...Object.values(flags)),
    link: byteString(100),
    uname: byteString(31),
    gname: byteString(31),
    devMajor: fc.integer({ min: 0, max: octal8 }),
    devMinor: fc.integer({ min: 0, max: octal8 }),
  },
  { noNullPrototype: true },
)

test('a header comes back as it was written', () => {
  fc.assert(
    fc.property(header, fc.integer({ min: 0, max: 40 }), (fields, at) => {
      const block = new Uint8Array(at + blockSize)
      encodeHeader(block, at, fields)
      assert.deepEqual(decodeHeader(block, at), fields)
    }),
  )
})

test('a header with a changed byte is damaged', () => {
  fc.assert(
    fc.property(
      header,
      fc.integer({ min: 0, max: 511 }),
      fc.integer({ min: 1, max: 255 }),
      (fields, at, delta) => {
        const block = new Uint8Array(blockSize)
        encodeHeader(block, 0, fields)
        block[at] = ((block[at] as number) + delta) & 255
        try {
          // Blanks and zeros around the checksum are the one thing that may differ.
          assert.deepEqual(decodeHeader(block), fields)
          assert.ok(at >= 148 && at < 156)
        } catch (error) {
          assert.ok(damaged(error), String(error))
        }
      },
    ),
  )
})

test('numbers that a field cannot hold become 0', () => {
  const block = new Uint8Array(blockSize)
  encodeHeader(block, 0, {
    name: 'a',
    mode: 0,
    uid: octal8 + 1,
    gid: -1,
    size: octal12 + 1,
    mtime: -5,
    flag: '0',
    link: '',
    uname: '',
    gname: '',
    devMajor: 0,
    devMinor: 0,
  })
  const back = decodeHeader(block)
  assert.deepEqual([back?.uid, back?.gid, back?.size, back?.mtime], [0, 0, 0, 0])
})

test('zeros end an archive', () => {
  assert.equal(decodeHeader(new Uint8Array(blockSize)), undefined)
})

test('base-256 numbers are read, negative ones too', () => {
  const field = (bytes: number[]) => decodeNumber(Uint8Array.from(bytes), 0, bytes.length)
  assert.equal(field([0x80, 0, 0, 0, 0, 0, 1, 0]), 256)
  assert.equal(field([0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), 2 ** 33)
  assert.equal(field([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), -2)
  assert.equal(field([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]), -256)
  assert.throws(() => field([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), damaged)
  assert.equal(field([0x20, 0x20, 0x31, 0x37, 0x20, 0]), 15)
  assert.throws(() => field([0x31, 0x39, 0x31, 0]), damaged)
})

test('headers of GNU tar in its three formats are read', () => {
  for (const format of ['gnu', 'ustar', 'v7']) {
    const { stdout } = spawnSync('tar', [
      `--format=${format}`,
      '--owner=joe:1234',
      '--group=staff:77',
      '--mode=0751',
      '--mtime=@1000000000',
      '--transform=s,.*,some/name,',
      '-cf',
      '-',
      '/etc/hostname',
    ])
    const read = decodeHeader(stdout)
    assert.equal(read?.name, 'some/name')
    assert.equal(read?.mode, 0o751)
    assert.equal(read?.uid, 1234)
    assert.equal(read?.gid, 77)
    assert.equal(read?.mtime, 1000000000)
    assert.equal(read?.flag, flags.file)
    assert.equal(read?.uname, format === 'v7' ? '' : 'joe')
  }
})

test('pax records come back as they were written', () => {
  const key = fc.stringMatching(/^[A-Za-z.]{1,60}$/)
  const pax = new PaxRecords()
  fc.assert(
    fc.property(fc.dictionary(key, fc.uint8Array({ maxLength: 5000 }), { maxKeys: 6 }), (wanted) => {
      pax.clear()
      const expected = new Map<string, string>()
      let odd = false
      for (const [name, value] of Object.entries(wanted)) {
        const text = Buffer.from(value).toString('latin1')
        if (odd) pax.add(name, text)
        else pax.addBytes(name, value)
        odd = !odd
        expected.set(name, text)
      }
      assert.deepEqual(decodePax(pax.bytes), expected)
    }),
  )
})

test('lengths of pax records count their own digits', () => {
  const pax = new PaxRecords()
  for (let size = 0; size < 1100; size++) {
    pax.clear()
    pax.add('k', 'v'.repeat(size))
    assert.equal(Number.parseInt(Buffer.from(pax.bytes).toString('latin1'), 10), pax.length)
    assert.equal(decodePax(pax.bytes).get('k')?.length, size)
  }
})

test('bytes that are not pax records are damaged', () => {
  for (const text of [
    'x',
    '5 a=b',
    '99 a=b\n',
    '6 a=bc',
    '5 ab\n',
    '1 a=b\n',
    '5 =ab\n',
    '6a=b\n',
    ' a=b\n',
    '-6 a=b\n',
  ])
    assert.throws(() => decodePax(Buffer.from(text)), damaged, text)
})

test('a pax header announces its records', () => {
  const block = new Uint8Array(blockSize).fill(0xff)
  encodePaxHeader(block, 0, 1234)
  const read = decodeHeader(block)
  assert.equal(read?.flag, flags.pax)
  assert.equal(read?.size, 1234)
})

test('times come back to the nanosecond, before 1970 too', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      fc.integer({ min: 0, max: 999_999_999 }),
      (seconds, nanoseconds) => {
        assert.deepEqual(parseTime(formatTime(seconds, nanoseconds)), { seconds, nanoseconds })
      },
    ),
  )
  assert.equal(formatTime(-1, 500_000_000), '-0.5')
  assert.equal(formatTime(-2, 250_000_000), '-1.75')
  assert.equal(formatTime(3, 20), '3.00000002')
  assert.throws(() => parseTime('soon'), damaged)
})

test('sizes are padded to whole blocks', () => {
  assert.deepEqual([0, 1, 511, 512, 513, 2 ** 40 + 1].map(padded), [0, 512, 512, 512, 1024, 2 ** 40 + 512])
})
