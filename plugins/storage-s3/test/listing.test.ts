import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as assertProperty, maxSafeNat, property, record, string } from 'fast-check'
import { parsePage } from '../src/listing.ts'
import { textOf } from '../src/xml.ts'

const page = (content: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</ListBucketResult>`
const blob = (key: string, size: number | string = 1) =>
  `<Contents><Key>${key}</Key><LastModified>2026</LastModified><ETag>&quot;x&quot;</ETag><Size>${size}</Size></Contents>`
const last = '<IsTruncated>false</IsTruncated>'

test('a page and the last page', () => {
  const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>'
  assert.deepEqual(parsePage(page(`${blob('a/b', 5)}${blob('c', 0)}${more}<KeyCount>2</KeyCount>`), 'x'), {
    blobs: [
      { key: 'a/b', size: 5 },
      { key: 'c', size: 0 },
    ],
    next: 'a&b=',
  })
  assert.deepEqual(parsePage(page(last), 'x'), { blobs: [], next: undefined })
  const encoded = page(`<EncodingType>url</EncodingType>${blob('a+b%2Bc%25/d')}${last}`)
  assert.deepEqual(parsePage(encoded, 'x').blobs, [{ key: 'a b+c%/d', size: 1 }])
})

test('what is not the whole of a page is a failure, never an empty or shorter one', () => {
  const whole = page(`${blob('a')}${blob('b')}<KeyCount>2</KeyCount>${last}`)
  for (let length = 0; length < whole.length; length += 7) {
    assert.throws(
      () => parsePage(whole.slice(0, length), 'x'),
      { code: 'unavailable' },
      whole.slice(0, length),
    )
  }
  for (const text of [
    '<html>welcome</html>',
    '{}',
    page(blob('a')),
    page('<IsTruncated>true</IsTruncated>'),
    page('<IsTruncated>true</IsTruncated><NextContinuationToken/>'),
    page(`${blob('a')}<KeyCount>2</KeyCount>${last}`),
    page(`${blob('a', 'x')}${last}`),
    page(`<Contents><Key>a</Key></Contents>${last}`),
  ]) {
    assert.throws(() => parsePage(text, 'x'), { code: 'unavailable' }, text)
  }
})

test('every name and size comes back', () => {
  const entry = record({ key: string({ minLength: 1, unit: 'binary' }), size: maxSafeNat() })
  assertProperty(
    property(array(entry), (entries) => {
      const listed = entries.map(({ key, size }) => blob(encodeURIComponent(key), size)).join('')
      const { blobs } = parsePage(page(`<EncodingType>url</EncodingType>${listed}${last}`), 'x')
      assert.deepEqual(
        blobs,
        entries.map(({ key, size }) => ({ key, size })),
      )
    }),
  )
})

test('references of XML', () => {
  assert.equal(textOf('<a>&lt;&#65;&#x42;&amp;lt;&apos;&nothing;</a>', 'a'), "<AB&lt;'&nothing;")
  assert.equal(textOf('<b>x</b>', 'a'), undefined)
})
