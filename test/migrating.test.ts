// What docs/migrating.md says of the commands of the Python Freezer, command by command.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { blocks, inis, type Places, placed, runCommand } from './support/migrating.ts'
import { filesBelow, json, scratchDirectory } from './support/program.ts'
import { describeTree, differences, removeTree } from './support/tree.ts'

const scratch = scratchDirectory('migrating')
after(() => removeTree(scratch.path))
const tree = path.join(scratch.path, 'tree')
// Without the links of a random tree: one of the examples follows them, wherever they lead.
fs.mkdirSync(path.join(tree, 'sub'), { recursive: true })
fs.writeFileSync(path.join(tree, 'sub', 'file'), 'content\n')
fs.linkSync(path.join(tree, 'sub', 'file'), path.join(tree, 'second name'))
fs.symlinkSync('sub/file', path.join(tree, 'link'))

let used = 0

/** Places of their own for the commands of one block. */
function places(): Places {
  const own = path.join(scratch.path, `block${used++}`)
  const names = ['backups', 'backups2', 'unused', 'restored', 'log', 'root', 'snapshot', 'dumps'] as const
  for (const name of ['log', 'root', 'dumps']) fs.mkdirSync(path.join(own, name), { recursive: true })
  const found: Record<string, string> = { '/data': tree }
  for (const name of names) found[`/${name}`] = path.join(own, name)
  for (const [name, content] of inis) {
    fs.writeFileSync(path.join(own, name), placed(content, found))
    found[`/${name}`] = path.join(own, name)
  }
  fs.writeFileSync(path.join(own, 'root', 'passphrase'), 'a passphrase\n')
  return found
}

const at = (place: Places, name: string) => place[name] ?? assert.fail(name)

test('every example has a verdict that is tested', () => {
  const verdicts = blocks.map(({ verdict, storage }) => `${verdict} ${storage}`.trim())
  assert.deepEqual([...new Set(verdicts)].sort(), [
    'instead',
    'refused',
    'runs ftp',
    'runs local',
    'runs s3',
    'runs ssh',
    'runs swift',
  ])
  assert.ok(blocks.flatMap(({ commands }) => commands).length > 35)
})

for (const [number, { verdict, storage, commands }] of blocks.entries()) {
  if (verdict === 'runs' && storage === 'local') {
    test(`local commands of block ${number} run as they stand`, async () => {
      const place = places()
      for (const command of commands) {
        const { status, stderr } = await runCommand(command, place)
        assert.equal(status, 0, `${command}: ${stderr}`)
        assert.equal(stderr, '', command)
        const restored = at(place, '/restored')
        if (!command.includes('/restored')) continue
        const wanted = describeTree(tree)
        assert.deepEqual(differences(wanted, describeTree(restored)), [], command)
        removeTree(restored)
      }
    })
  } else if (verdict === 'refused') {
    test(`commands of block ${number} are refused, with what to do`, async () => {
      for (const command of commands) {
        const place = places()
        const { status, stdout, stderr } = await runCommand(command, place)
        assert.equal(status, 2, command)
        assert.equal(stdout, '')
        assert.match(stderr, /^freezer: \S+ is refused: .+\. \S.+\.$/m, command)
        assert.ok(!fs.existsSync(at(place, '/backups')))
      }
    })
  }
}

test('what to write instead of a snapshot of LVM', async () => {
  const place = places()
  const snapshot = at(place, '/snapshot')
  const script = (name: string, body: string) => {
    fs.writeFileSync(path.join(at(place, '/root'), name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  }
  // Stands for a volume that is mounted there.
  script('make-snapshot', `mkdir ${snapshot} && echo frozen > ${snapshot}/file && touch ${snapshot}/a.lock`)
  script('remove-snapshot', `rm -r ${snapshot}`)
  const { status, stderr } = await runCommand(instead('--before /root/make-snapshot'), place)
  assert.equal(status, 0, stderr)
  assert.ok(!fs.existsSync(snapshot))
  await json('restore', at(place, '/restored'), '--container', at(place, '/backups'), '-N', 'jenkins-ops2')
  assert.deepEqual(filesBelow(at(place, '/restored')), ['file'])
  script('remove-snapshot', 'exit 1')
  assert.equal((await runCommand(instead('--before /root/make-snapshot'), place)).status, 18)
})

test('what to write instead of a mode for a database', async () => {
  const place = places()
  const bin = path.join(at(place, '/root'), 'bin')
  fs.mkdirSync(bin)
  fs.writeFileSync(path.join(bin, 'mysqldump'), '#!/bin/sh\necho "-- dump $*"\n', { mode: 0o755 })
  const command = instead('mysqldump').replace('mysqldump', '/root/bin/mysqldump')
  const { status, stderr } = await runCommand(command, place)
  assert.equal(status, 0, stderr)
  await json('restore', at(place, '/restored'), '--container', at(place, '/backups'), '-N', 'mysql-ops002')
  const dump = fs.readFileSync(path.join(at(place, '/restored'), 'all.sql'), 'utf8')
  assert.equal(dump, '-- dump --single-transaction --all-databases\n')
})

test('what to write instead of listing containers', async () => {
  const place = places()
  await json('backup', tree, '--container', at(place, '/backups'), '-N', 'n')
  const { status, stdout } = await runCommand(instead('freezer info'), place)
  assert.equal(status, 0)
  assert.match(stdout, /^Backups: +1$/m)
})

function instead(words: string): string {
  const found = blocks
    .filter(({ verdict }) => verdict === 'instead')
    .flatMap(({ commands }) => commands)
    .filter((command) => command.includes(words))
  assert.equal(found.length, 1, words)
  return found[0] ?? ''
}

test('each line that brings the old way back is one of an ini file that is taken', async () => {
  const text = fs.readFileSync(path.join(import.meta.dirname, '..', 'docs', 'migrating.md'), 'utf8')
  const lines = [...text.matchAll(/`(\w+ = [^`]+)`(?: \(| \||, )/g)].map(([, line = '']) => line)
  assert.ok(lines.length >= 8, lines.join())
  const place = places()
  for (const line of lines.filter((one) => !one.startsWith('storage'))) {
    const ini = path.join(at(place, '/root'), 'old.ini')
    fs.writeFileSync(
      ini,
      `${placed(line, { '/var/log/freezer-agent': at(place, '/log') })}\nencrypt_pass_file = ${at(place, '/root')}/passphrase\n`,
    )
    const before = `freezer-agent --config /root/old.ini -F /data -C /backups --storage local -N ${line.split(' ')[0]}`
    for (let runs = 0; runs < 2; runs++) {
      const { status, stderr } = await runCommand(before, place)
      assert.equal(status, 0, `${line}: ${stderr}`)
      assert.equal(stderr, '', line)
    }
  }
  const { backups } = await json(
    'list',
    '--container',
    at(place, '/backups'),
    '--encrypt-pass-file',
    `${at(place, '/root')}/passphrase`,
  )
  const of = (name: string) =>
    (backups as { name: string; level: number; codecs: string[] }[]).filter((one) => one.name === name)
  assert.deepEqual(
    of('compression').map(({ codecs }) => codecs),
    [
      ['gzip', 'aes-256-gcm'],
      ['gzip', 'aes-256-gcm'],
    ],
  )
  assert.deepEqual(
    of('encryption').map(({ codecs }) => codecs),
    [
      ['zstd', 'aes-256-cfb'],
      ['zstd', 'aes-256-cfb'],
    ],
  )
  assert.deepEqual(
    of('incremental').map(({ level }) => level),
    [0, 0],
  )
  assert.deepEqual(
    of('log_file').map(({ level }) => level),
    [0, 1],
  )
  assert.match(
    fs.readFileSync(path.join(at(place, '/log'), 'freezer-agent.log'), 'utf8'),
    /backup: ended with exit status 0/,
  )
})
