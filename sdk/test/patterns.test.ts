import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import * as fc from 'fast-check'
import { matcher, searcher } from '../src/contracts/patterns.ts'

const root = mkdtempSync(join(tmpdir(), 'exclude-'))
after(() => rmSync(root, { recursive: true, force: true }))

const paths = [
  'a',
  'ab/a',
  'ab/b.c',
  'ab/a-b/abc',
  'b.c/ab/a',
  'b.c/x y',
  'b/a/b/a',
  'c/[a]/b',
  'c/a*b',
  'c/a\\b',
  'c/ü/ab',
  'c/-/]',
  'c/A1/9',
]
const tree = join(root, 'tree')
for (const path of paths) {
  mkdirSync(dirname(join(tree, path)), { recursive: true })
  writeFileSync(join(tree, path), '')
}

/** What the real tar leaves in. */
function byTar(patterns: string[]): string[] {
  const listed = execFileSync(
    'sh',
    [
      '-c',
      'tar -C "$0" --quoting-style=literal "$@" -cf - . | tar --quoting-style=literal -tf -',
      tree,
    ].concat(patterns.map((pattern) => `--exclude=${pattern}`)),
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  )
  return listed
    .split('\n')
    .map((line) => line.replace(/^\.\//, '').replace(/\/$/, ''))
    .filter((line) => line !== '')
    .sort()
}

function byUs(patterns: string[]): string[] {
  const excluded = matcher(patterns)
  const found: string[] = []
  const visit = (directory: string): void => {
    for (const { name, isDirectory } of list(join(tree, directory))) {
      const path = directory === '' ? name : `${directory}/${name}`
      if (excluded?.(Buffer.from(path).toString('latin1')) === true) continue
      found.push(path)
      if (isDirectory) visit(path)
    }
  }
  visit('')
  return found.sort()
}

function list(directory: string): { name: string; isDirectory: boolean }[] {
  return readdirSync(directory, { withFileTypes: true }).map((entry) => ({
    name: entry.name,
    isDirectory: entry.isDirectory(),
  }))
}

const examples: string[][] = [
  [],
  ['a'],
  ['*.c'],
  ['ab/*'],
  ['ab/b.c'],
  ['./ab'],
  ['b'],
  ['/ab'],
  ['ab/'],
  ['a?'],
  ['[!a]b'],
  ['[^a]*'],
  ['[a-b]'],
  ['[[:digit:]]'],
  ['[[:upper:]]*'],
  ['[]]'],
  ['[a'],
  ['\\[a\\]'],
  ['a\\*b'],
  ['a\\\\b'],
  ['?'],
  ['ü'],
  ['[ü]'],
  ['[!ü]'],
  ['x y'],
  ['b*a'],
  ['*/a'],
  ['c/*b'],
  ['a', 'b.c'],
  ['a.c', 'nothing*'],
  ['{a,b}'],
  ['(a)'],
  ['a|b'],
  ['^a'],
  ['a$'],
  ['[a-]'],
  ['[-a]'],
  ['[b-a]'],
  ['a\\'],
]

test('the same is left out as by GNU tar', () => {
  for (const patterns of examples) assert.deepEqual(byUs(patterns), byTar(patterns), patterns.join(' '))
})

test('any pattern leaves out the same as for GNU tar', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    'c',
    '*',
    '?',
    '/',
    '.',
    '[ab]',
    '[!a]',
    '-',
    ' ',
    '\\*',
    '\\a',
    'ü',
    '1',
  )
  const pattern = fc
    .array(piece, { minLength: 1, maxLength: 5 })
    .map((pieces) => pieces.join(''))
    // With these tar leaves out the root of the tree itself, and so everything.
    .filter((text) => !byTarMatchesRoot(text))
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 2 }), (patterns) => {
      assert.deepEqual(ascii(byUs(patterns)), ascii(byTar(patterns)))
    }),
    { numRuns: 100 },
  )
})

// GNU tar takes `ü` for one character and for two bytes at once; here it is a character.
function ascii(found: string[]): string[] {
  return found.filter((path) => !path.includes('ü'))
}

function byTarMatchesRoot(pattern: string): boolean {
  return byTar([pattern]).length === 0
}

test('names that are no text can be left out by wildcards', () => {
  const excluded = matcher(['x?', '*.tmp'])
  assert.equal(excluded?.('a/x\xff'), true)
  assert.equal(excluded?.('\xff\xfe.tmp'), true)
  assert.equal(excluded?.('\xff\xfe.txt'), false)
})

test('a search: a name as find -name has it, a path as find -path has it', () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ['b.txt', 'a/b.txt', true],
    ['b.txt', 'b.txt', true],
    ['b.txt', 'b.txt/c', false],
    ['b', 'a/b.txt', false],
    ['*.txt', 'a/b.txt', true],
    ['?.txt', 'a/.txt', false],
    ['*', 'a/.hidden', true],
    ['a/*.txt', 'a/b.txt', true],
    ['a/*.txt', 'a/b/c.txt', true],
    ['a/*.txt', 'x/a/b.txt', false],
    ['*/a/*.txt', 'x/a/b.txt', true],
    ['/a/b.txt', 'a/b.txt', true],
    ['./a/b.txt', 'a/b.txt', true],
    ['/b.txt', 'a/b.txt', false],
    ['a/b/', 'a/b', true],
    ['[ab]', 'x/b', true],
    ['\\*', 'x/*', true],
    ['\\*', 'x/y', false],
    ['\u00fc*', 'a/\xc3\xbcb', true],
    ['?', 'a/\xff', true],
    ['B.TXT', 'a/b.txt', false],
  ]
  for (const [pattern, path, expected] of cases) {
    assert.equal(searcher(pattern)(path), expected, `${pattern} ${path}`)
  }
  assert.equal(searcher('B.TXT', true)('a/b.txt'), true)
})
