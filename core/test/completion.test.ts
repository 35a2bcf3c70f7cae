import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { freezer, scratchDirectory } from './support.ts'

const scratch = scratchDirectory()
const here = join(scratch, 'here')
mkdirSync(join(here, 'folder'), { recursive: true })
writeFileSync(join(here, 'file.ini'), '')

const script = (shell: string) => join(scratch, `completion.${shell}`)
before(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, stdout, stderr } = await freezer(['completion', shell])
    assert.equal(status, 0, stderr)
    writeFileSync(script(shell), stdout)
  }
})

const there = (shell: string) => spawnSync(shell, ['--version']).error === undefined

function lines(program: string, args: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: here, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '')
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .sort()
}

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ')

/** What a shell offers for the last of `words`. */
type Complete = (...words: string[]) => string[]

function bash(...words: string[]): string[] {
  // bash takes = for a word.
  const split = words
    .flatMap((word) => (word.startsWith('--') ? word.split(/(=)/) : [word]))
    .filter((word, at, all) => word !== '' || at === all.length - 1)
  const name = `_${words[0]?.replaceAll('-', '_')}`
  return lines('bash', [
    '--norc',
    '--noprofile',
    '-c',
    `source ${script('bash')}; COMP_WORDS=(${quoted(split)}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); ` +
      `${name}; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ])
}

/** The functions of zsh's completion that ours calls, as far as they matter. */
const zshStubs = `
compdef() { }
compset() { cur=\${cur#*=}; }
compadd() { shift; print -l -- $@; }
_files() { print -l -- *(N); }
_describe() { [[ $1 == -o ]] && shift; local name=$2; print -l -- \${\${(P@)name}%%:*}; }
`

function zsh(...words: string[]): string[] {
  const name = `_${words[0]?.replaceAll('-', '_')}`
  const last = words.at(-1)?.replace(/^.*=/, '') ?? ''
  return lines('zsh', [
    '-f',
    '-c',
    `${zshStubs}\nsource ${script('zsh')}; words=(${quoted(words)}); CURRENT=${words.length}; ${name}`,
  ]).filter((word) => word.startsWith(last))
}

function fish(...words: string[]): string[] {
  return lines('fish', [
    '--no-config',
    '-c',
    `source ${script('fish')}; complete -C '${words.join(' ')}'`,
  ]).map((line) => (line.split('\t', 1)[0] ?? '').replace(/^--[\w-]+=/, ''))
}

for (const [shell, complete] of Object.entries({ bash, zsh, fish } satisfies Record<string, Complete>)) {
  suite(`completion of ${shell}`, { skip: !there(shell) }, () => {
    test('commands, and those below others', () => {
      assert.deepEqual(complete('freezer', 're'), ['restore'])
      assert.ok(complete('freezer', '').includes('backup'))
      assert.ok(complete('freezer', '').includes('key'))
      assert.deepEqual(complete('freezer', 'key', ''), ['add', 'list', 'remove', 'rotate'])
      assert.deepEqual(complete('freezer', 'key', 'r'), ['remove', 'rotate'])
    })

    test('options of the command, and of the plugins it uses', () => {
      assert.deepEqual(complete('freezer', 'backup', '--max-l').sort(), ['--max-level', '--max-lock'])
      assert.deepEqual(complete('freezer', 'backup', '/data', '--ssh-us'), ['--ssh-username'])
      assert.deepEqual(complete('freezer', 'list', '--max-l'), [])
      assert.deepEqual(complete('freezer', 'key', 'add', '--recipient-h'), ['--recipient-host'])
      assert.ok(!complete('freezer', 'backup', '--').includes('--ftp-password'))
    })

    test('values: the choices of an option, files, and nothing where nobody can guess', () => {
      const links = ['all', 'hard', 'none', 'soft']
      assert.deepEqual(complete('freezer', 'backup', '--dereference-symlink', ''), links)
      assert.deepEqual(complete('freezer', 'backup', '--dereference-symlink', 's'), ['soft'])
      assert.deepEqual(complete('freezer', 'backup', '--dereference-symlink=h'), ['hard'])
      assert.deepEqual(complete('freezer', 'backup', '--backup-name', ''), [])
      const files = complete('freezer', 'backup', '--config', '').map((name) => name.replace(/\/$/, ''))
      assert.deepEqual(files, ['file.ini', 'folder'])
    })

    test('flags of freezer-agent', () => {
      assert.deepEqual(complete('freezer-agent', '--restore-f'), ['--restore-from-date'])
      assert.deepEqual(complete('freezer-agent', '--action', 'r'), ['restore'])
    })
  })
}

test('it is quick, and any other shell is refused', async () => {
  const started = performance.now()
  assert.equal((await freezer(['completion', 'bash'])).status, 0)
  assert.ok(performance.now() - started < 5000)
  const other = await freezer(['completion', 'tcsh'])
  assert.equal(other.status, 2)
  assert.match(other.stderr, /none of bash, zsh, fish/)
})
