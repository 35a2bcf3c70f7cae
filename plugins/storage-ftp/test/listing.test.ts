import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  array,
  assert as assertProperty,
  boolean,
  maxSafeNat,
  property,
  record,
  stringMatching,
} from 'fast-check'
import { parseMachineListing, parsePlainListing, timeOf } from '../src/listing.ts'

test('a listing for programs: names, kinds, sizes, times', () => {
  const text = [
    'modify=20261124224613;perm=flcdmpe;type=cdir;unique=1U2; .',
    'type=pdir; ..',
    'modify=20260102030405.678;Type=file;Size=12; a name with  spaces; and=more',
    'type=dir;sizd=4096; d',
    'type=OS.unix=symlink; link',
    'type=OS.unix=slink:/x; link2',
    '',
  ].join('\r\n')
  assert.deepEqual(parseMachineListing(text), [
    {
      name: 'a name with  spaces; and=more',
      kind: 'file',
      size: 12,
      modified: Date.UTC(2026, 0, 2, 3, 4, 5),
    },
    { name: 'd', kind: 'directory', size: 0, modified: undefined },
    { name: 'link', kind: 'other', size: 0, modified: undefined },
    { name: 'link2', kind: 'other', size: 0, modified: undefined },
  ])
  assert.deepEqual(parseMachineListing(''), [])
})

test('a line of a listing for programs that cannot be understood is a failure, never one blob less', () => {
  for (const line of [
    'nothing',
    'size=1; noType',
    'type=file; noSize',
    'type=file;size=x; wrong',
    'type=file;size=-1; wrong',
    'type=file;size=1; ',
    'type=file;size=1',
  ]) {
    assert.throws(
      () => parseMachineListing(`type=file;size=1; fine\r\n${line}\r\n`),
      { code: 'unavailable' },
      line,
    )
  }
})

const unix = (lines: readonly string[]) =>
  ['drwxr-xr-x   2 a b 4096 Nov 24 22:46 .', ...lines, ''].join('\r\n')

test('a listing for people, in the form of Unix and of DOS', () => {
  const lines = [
    'total 8',
    'drwxr-xr-x   3 a b 4096 Nov 24 22:46 ..',
    '-rw-------   1 keeper keeper 4194304 Nov 24 22:46 0001.seg',
    'drwx------   2 keeper keeper    4096 Jan  1  2025 dir',
    'lrwxrwxrwx   1 keeper keeper       4 Jan  1  2025 l -> 0001.seg',
  ]
  const expected = [
    { name: '0001.seg', kind: 'file', size: 4_194_304, modified: undefined },
    { name: 'dir', kind: 'directory', size: 4096, modified: undefined },
    { name: 'l', kind: 'other', size: 4, modified: undefined },
  ]
  assert.deepEqual(parsePlainListing(unix(lines)), expected)
  const dos = '11-24-26  10:46PM       <DIR>          dir\r\n11-24-26  10:46PM                 1234 blob\r\n'
  assert.deepEqual(
    parsePlainListing(dos).map(({ name, kind }) => [name, kind]),
    [
      ['dir', 'directory'],
      ['blob', 'file'],
    ],
  )
})

test('a listing for people that is empty, or has a line of another form, is a failure', () => {
  for (const text of [
    '',
    '\r\n',
    'total 0\r\n',
    // Of a directory that cannot be read.
    '-rw-------   1 a b 1 Nov 24 22:46 x\r\n',
    unix(['-rw-------   1 a b 1 Nov 24 22:46 x', 'ls: cannot open y']),
    unix(['+i8388621.48594,m825718503,r,s280,\tdjb.html']),
  ]) {
    assert.throws(() => parsePlainListing(text), { code: 'unavailable' }, text)
  }
  assert.deepEqual(parsePlainListing(unix([])), [])
})

test('every name and size of a listing for programs comes back', () => {
  const names = stringMatching(/^[A-Za-z0-9_%-][A-Za-z0-9._%-]{0,80}$/)
  const entry = record({ name: names, size: maxSafeNat(), isFile: boolean() })
  assertProperty(
    property(array(entry), (entries) => {
      const text = entries.map(
        ({ name, size, isFile }) => `size=${size};type=${isFile ? 'file' : 'dir'}; ${name}\r\n`,
      )
      assert.deepEqual(
        parseMachineListing(text.join('')),
        entries.map(({ name, size, isFile }) => ({
          name,
          size,
          kind: isFile ? 'file' : 'directory',
          modified: undefined,
        })),
      )
    }),
  )
})

test('times are those of UTC', () => {
  assert.equal(timeOf('20261124224613'), Date.UTC(2026, 10, 24, 22, 46, 13))
  for (const text of ['', undefined, 'yesterday', '2026']) assert.equal(timeOf(text), undefined)
})
