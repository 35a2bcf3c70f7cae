// A planted passphrase appears nowhere.
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

const encodings = [
  planted,
  Buffer.from(planted).toString('base64').replace(/=+$/, ''),
  Buffer.from(planted).toString('hex'),
]

function expectAbsent(text: string, where: string): void {
  for (const form of encodings) assert.ok(!text.includes(form), `the passphrase stands in ${where}`)
}

test('no output, with and without debug, of runs that succeed or fail', async () => {
  const common = ['--container', container, '--backup-name', 'n', '--debug']
  const bad = path.join(scratch.path, 'bad-pass')
  fs.writeFileSync(bad, `${planted}-wrong\n`)
  const runs: string[][] = [
    ['backup', source, ...common, '--encrypt-pass-file', passFile],
    ['backup', source, ...common, '--encrypt-pass-file', passFile, '--json'],
    ['backup', source, ...common, '--encrypt-pass-file', passFile, '--encryption', 'aes-256-cfb'],
    ['backup', source, ...common, '--encrypt-pass-file', bad],
    ['backup', path.join(scratch.path, 'nowhere'), ...common, '--encrypt-pass-file', passFile],
    ['restore', path.join(scratch.path, 'target'), ...common, '--encrypt-pass-file', passFile],
    ['restore', path.join(scratch.path, 'target-2'), ...common, '--encrypt-pass-file', bad, '--json'],
    ['list', '--container', container, '--encrypt-pass-file', passFile],
    ['info', '--container', container, '--encrypt-pass-file', passFile, '--json'],
  ]
  for (const words of runs) {
    const { stdout, stderr } = await freezer(...words)
    expectAbsent(stdout + stderr, `the output of freezer ${words[0]}`)
  }
})

test('no blob of the container', () => {
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
