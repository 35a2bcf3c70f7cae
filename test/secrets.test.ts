// Planted passphrases, key files and what is in recipient files appear nowhere.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { filesBelow, freezer, programFile, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('secrets')
after(scratch.remove)

const planted = 'planted-passphrase-7c1f'
const passFile = path.join(scratch.path, 'pass')
const source = path.join(scratch.path, 'source')
const container = path.join(scratch.path, 'container')
fs.writeFileSync(passFile, `${planted}\n`)
fs.mkdirSync(source)
fs.writeFileSync(path.join(source, 'file'), 'content')

const second = 'second-passphrase-9e02'
const secondFile = path.join(scratch.path, 'second')
fs.writeFileSync(secondFile, `${second}\n`)
const keyBytes = 'planted key file of 31 bytes b41d'
const keyFile = path.join(scratch.path, 'key')
fs.writeFileSync(keyFile, keyBytes)
const generated = path.join(scratch.path, 'generated')
const recipientFile = path.join(scratch.path, 'recipient')

/** Everything that must not be seen, in every form that it may take. */
function secrets(): string[] {
  const texts = [planted, second, keyBytes].flatMap((text) => [text, ...encodings(Buffer.from(text))])
  // What commands made on the way: a key file, and the line of a recipient with the secret of its writer.
  const made = fs.existsSync(generated) ? encodings(fs.readFileSync(generated)) : []
  const writer = fs.existsSync(recipientFile)
    ? Buffer.from(fs.readFileSync(recipientFile, 'utf8').split(' ')[6] ?? '', 'base64url')
    : undefined
  return [...texts, ...made, ...(writer === undefined ? [] : encodings(writer))]
}

function encodings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  const base64 = buffer.toString('base64').replace(/=+$/, '').slice(0, -1)
  return [
    base64,
    buffer.toString('base64url').slice(0, -1),
    buffer.toString('hex'),
    buffer.toString('latin1'),
  ]
}

function expectAbsent(text: string, where: string): void {
  for (const form of secrets()) assert.ok(!text.includes(form), `a secret stands in ${where}`)
}

test('no output, with and without debug, of runs that succeed or fail', async () => {
  const common = ['--container', container, '--backup-name', 'n', '--debug']
  const bad = path.join(scratch.path, 'bad-pass')
  fs.writeFileSync(bad, `${planted}-wrong\n`)
  const ours = ['--container', container, '--encrypt-pass-file', passFile, '--debug']
  const runs: string[][] = [
    ['backup', source, ...common, '--encrypt-pass-file', passFile],
    ['backup', source, ...common, '--encrypt-pass-file', passFile, '--json'],
    ['backup', source, ...common, '--encrypt-pass-file', passFile, '--encryption', 'aes-256-cfb'],
    ['backup', source, ...common, '--encrypt-pass-file', bad],
    ['backup', path.join(scratch.path, 'nowhere'), ...common, '--encrypt-pass-file', passFile],
    ['restore', path.join(scratch.path, 'target'), ...common, '--encrypt-pass-file', passFile],
    ['restore', path.join(scratch.path, 'target-2'), ...common, '--encrypt-pass-file', bad, '--json'],
    ['list', '--container', container, '--encrypt-pass-file', passFile],
    ['key', 'add', ...ours, '--new-pass-file', secondFile, '--label', 'l'],
    ['key', 'add', ...ours, '--new-key-file', keyFile],
    ['key', 'add', ...ours, '--new-key-file', generated, '--json'],
    ['key', 'add', ...ours, '--recipient', '--label', 'l', '--recipient-file', recipientFile, '--json'],
    ['key', 'add', ...ours, '--recipient', '--label', 'l', '--recipient-file', recipientFile],
    [
      'key',
      'add',
      '--container',
      container,
      '--encrypt-pass-file',
      bad,
      '--new-pass-file',
      secondFile,
      '--debug',
    ],
    ['key', 'list', ...ours],
    ['key', 'list', '--container', container, '--key-file', keyFile, '--json', '--debug'],
    ['key', 'list', '--container', container, '--key-file', passFile, '--debug'],
    ['backup', source, ...common, '--encrypt-recipient', recipientFile],
    ['backup', source, ...common, '--encrypt-recipient', recipientFile, '--hostname', 'other', '--json'],
    ['backup', source, ...common, '--encrypt-recipient', keyFile],
    ['backup', source, ...common, '--key-file', keyFile, '--encryption', 'aes-256-cfb'],
    ['key', 'rotate', ...ours],
    ['key', 'rotate', ...ours, '--remove-others'],
    ['key', 'remove', '0', ...ours, '--json'],
    ['info', '--container', container, '--encrypt-pass-file', passFile, '--json'],
  ]
  for (const words of runs) {
    const { stdout, stderr } = await freezer(...words)
    assert.ok(!/defect/.test(stdout + stderr), stdout + stderr)
    expectAbsent(stdout + stderr, `the output of freezer ${words[0]}`)
  }
})

test('no blob of the container', () => {
  assert.ok(fs.existsSync(generated) && fs.existsSync(recipientFile), 'there is something to look for')
  for (const file of filesBelow(container)) {
    expectAbsent(fs.readFileSync(path.join(container, file)).toString('latin1'), file)
  }
})

test('no argument list or environment of the running program, and of none that it starts', async () => {
  const noisy = path.join(scratch.path, 'noisy')
  fs.mkdirSync(noisy)
  for (let i = 0; i < 8; i++) fs.writeFileSync(path.join(noisy, `f${i}`), Buffer.alloc(1_000_000, i))
  const words = [
    'backup',
    noisy,
    '--container',
    container,
    '--backup-name',
    'x',
    '--encrypt-pass-file',
    passFile,
  ]
  const child = spawn(process.execPath, [programFile, ...words, '--compression', 'xz'], { stdio: 'ignore' })
  let looks = 0
  const timer = setInterval(() => {
    for (const pid of [child.pid, ...childrenOf(child.pid)]) {
      for (const file of ['cmdline', 'environ']) {
        try {
          expectAbsent(fs.readFileSync(`/proc/${pid}/${file}`, 'latin1'), `/proc/PID/${file}`)
          looks++
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error
        }
      }
    }
  }, 5)
  const status = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(timer)
  assert.equal(status, 0)
  assert.ok(looks > 10, `looked ${looks} times`)
})

function childrenOf(pid: number | undefined): string[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
      .filter((child) => child !== '')
  } catch {
    return []
  }
}
