import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import { ByteWriter } from '../src/repository/bytes.ts'
import {
  decodeRoot,
  decodeTablePage,
  encodeRoot,
  encodeTablePage,
  type Root,
  tablePageBlocks,
} from '../src/repository/root.ts'

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected
const plain = { noNullPrototype: true }

const number = fc.oneof(fc.nat(300), fc.maxSafeNat())
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((b) => String.fromCharCode(b)) })
const address = { number, segment: number, offset: number, stored: number, size: number, digest }
const codec = fc.record(
  { name: fc.string({ unit: 'grapheme' }), options: fc.dictionary(fc.string(), fc.string(), plain) },
  plain,
)
const root: fc.Arbitrary<Root> = fc.record(
  {
    ancestors: fc.array(
      fc.record(
        {
          id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id)),
          codecs: fc.array(codec),
          root: fc.record(address, plain),
        },
        plain,
      ),
    ),
    pages: fc.array(
      fc.record({ level: number, ...address, content: digest, directory: bytes, name: bytes }, plain),
    ),
    table: fc.array(fc.record({ ...address, firstBlock: number, firstOffset: number }, plain)),
  },
  plain,
)

describe('the root', () => {
  test('comes back as it was', () => {
    fc.assert(fc.property(root, (made) => assert.deepEqual(decodeRoot(encodeRoot(made)), made)))
  })

  test('that is cut off, goes on, or is of another version is damaged', () => {
    fc.assert(
      fc.property(root, fc.nat(), (made, at) => {
        const whole = encodeRoot(made)
        assert.throws(() => decodeRoot(whole.subarray(0, at % whole.length)), code('damaged'))
        assert.throws(() => decodeRoot(Buffer.concat([whole, Buffer.alloc(1)])), code('damaged'))
        assert.throws(() => decodeRoot(whole.with(0, 2)), code('damaged'))
      }),
    )
  })

  test('of any other bytes is damaged, and nothing worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (other) => {
        try {
          decodeRoot(Buffer.concat([Buffer.from([1]), other]))
        } catch (error) {
          assert.ok(code('damaged')(error), String(error))
        }
      }),
    )
  })

  test('that promises more than it holds takes no memory for it', () => {
    const writer = new ByteWriter(16)
    writer.byte(1)
    writer.integer(2 ** 52)
    assert.throws(() => decodeRoot(writer.view()), code('damaged'))
  })

  for (const text of [
    '',
    'null',
    '{}',
    '[null]',
    '[1]',
    '[{}]',
    '[{"name":1,"options":{}}]',
    '[{"name":"x"}]',
  ]) {
    test(`with codecs ${JSON.stringify(text)} is damaged`, () => {
      const writer = new ByteWriter(64)
      writer.byte(1)
      writer.integer(1)
      writer.bytes(Buffer.alloc(16))
      writer.string(text)
      for (let i = 0; i < 5; i++) writer.integer(0)
      writer.bytes(Buffer.alloc(32))
      writer.integer(0)
      writer.integer(0)
      assert.throws(() => decodeRoot(writer.view()), code('damaged'))
    })
  }
})

describe('a page of the block table', () => {
  const blocks = fc.array(fc.record({ start: number, ...address }, plain))

  test('comes back as it was', () => {
    fc.assert(fc.property(blocks, (made) => assert.deepEqual(decodeTablePage(encodeTablePage(made)), made)))
  })

  test('that is cut off is damaged', () => {
    fc.assert(
      fc.property(blocks, fc.nat(), (made, at) => {
        const whole = encodeTablePage(made)
        assert.throws(() => decodeTablePage(whole.subarray(0, at % whole.length)), code('damaged'))
      }),
    )
  })

  test('of the largest numbers stays small', () => {
    const large = { number: 2 ** 52, segment: 2 ** 52, offset: 2 ** 52, stored: 2 ** 52, size: 2 ** 52 }
    const block = { start: 2 ** 52, ...large, digest: Buffer.alloc(32) }
    assert.ok(encodeTablePage(Array.from({ length: tablePageBlocks }, () => block)).length < 128 * 1024)
  })
})
