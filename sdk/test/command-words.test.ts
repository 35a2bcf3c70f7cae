import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { splitCommand, splitPipeline } from '@freezer/sdk'
import * as fc from 'fast-check'

test('words are those that a shell makes of the same text', () => {
  const texts = [
    'echo one two',
    '  echo\tone   two  ',
    `echo 'a b' "c d" e\\ f`,
    `echo 'a'"b"c\\d`,
    `echo "a \\" b" 'a \\" b' "a \\x b"`,
    `echo "\\\\" '\\' \\\\`,
    `echo '' "" x`,
    `echo "a'b" 'c"d'`,
    'echo a\\\nb "c\\\nd"',
    `echo '|' "&" \\; '<>'`,
    `echo "it's" ünïcödé '🧊 x'`,
  ]
  for (const text of texts) {
    const shell = spawnSync('sh', ['-c', `set -f; for w in ${text}; do printf '%s\\0' "$w"; done`])
    assert.deepEqual(splitCommand(text), shell.stdout.toString().split('\0').slice(0, -1), text)
  }
})

test('every word survives being quoted', () => {
  const word = fc.string({ unit: 'binary' }).filter((one) => !one.includes('\0'))
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (words) => {
      fc.pre(words[0] !== '')
      const single = words.map((one) => `'${one.replaceAll("'", `'\\''`)}'`).join(' ')
      assert.deepEqual(splitCommand(single), words)
      const double = words.map((one) => `"${one.replaceAll(/["\\$`]/g, '\\$&')}"`).join('\n')
      assert.deepEqual(splitCommand(double), words)
    }),
  )
})

test('nothing is expanded', () => {
  assert.deepEqual(splitCommand('touch $HOME/a ~ * `id` #x'), ['touch', '$HOME/a', '~', '*', '`id`', '#x'])
})

test('what needs a shell, and what has no end, is refused', () => {
  for (const text of ['a | b', 'a|b', 'a && b', 'a; b', 'a > b', 'a <b', 'a || b']) {
    assert.throws(() => splitCommand(text), { code: 'usage', message: /without a shell/ }, text)
  }
  for (const text of [`a 'b`, 'a "b', 'a "b\\"', 'a \\', '', '  ', `''`, `"" x`]) {
    assert.throws(() => splitCommand(text), { code: 'usage' }, text)
  }
})

test('programs of a pipe', () => {
  assert.deepEqual(splitPipeline(`a 'x | y' | b|c -d`), [['a', 'x | y'], ['b'], ['c', '-d']])
  for (const text of ['a || b', '| a', 'a |', 'a | | b', 'a | b > c']) {
    assert.throws(() => splitPipeline(text), { code: 'usage' }, text)
  }
})
