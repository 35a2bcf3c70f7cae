// What OpenStack Freezer stored is listed, looked into, restored, checked and copied; what is damaged never passes for whole.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { tar } from '@freezer/engine-tar'
import { type BackupReference, type ForeignRepository, type Repository, restore } from '@freezer/sdk'
import { expectSound } from './support/checked.ts'
import { openExisting, treeAt } from './support/containers.ts'
import {
  copyOf,
  describe,
  expectedTree,
  fixtures,
  listening,
  openForeign,
  openLocal,
  passphraseFile,
  restoreForeign,
} from './support/foreign.ts'
import { filesBelow, freezer, json, run, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('foreign')
after(scratch.remove)
let made = 0
const fresh = () => path.join(scratch.path, String(made++))
const passphrase = fs.readFileSync(passphraseFile, 'utf8').trim()
const isRoot = process.getuid?.() === 0

interface Listed {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  readonly time: string
  readonly chain: string
  readonly codecs: readonly string[]
  readonly foreign?: { readonly program: string; readonly content: string; readonly readable: boolean }
}

const stores = ['gzip', 'bzip2', 'xz'].flatMap((codec) => [
  { store: `tar-${codec}-plain`, codecs: [codec], options: [] },
  {
    store: `tar-${codec}-enc`,
    codecs: [codec, 'aes-256-cfb'],
    options: ['--encrypt-pass-file', passphraseFile],
  },
])

async function list(container: string, ...more: string[]): Promise<readonly Listed[]> {
  return (await json('list', '--container', container, ...more))['backups'] as readonly Listed[]
}

/** Ignores owners where the test has not the right to restore them. */
function comparable(tree: unknown): unknown {
  if (isRoot) return tree
  const { entries, ...rest } = tree as { entries: { uid?: number; gid?: number }[] }
  return { ...rest, entries: entries.map(({ uid: _uid, gid: _gid, ...entry }) => entry) }
}

function same(directory: string, level: number): void {
  assert.deepEqual(comparable(describe(directory)), comparable(expectedTree(level)), `level ${level}`)
}

/** A restore of a backup brings the tree of its level back. */
async function expectLevel(
  repository: Repository | ForeignRepository,
  backup: BackupReference,
  level: number,
): Promise<void> {
  const back = fresh()
  const target = { kind: 'tree', path: back, overwrite: false, remove: false } as const
  const request = { repository, engines: [tar], target, host: 'host1', name: 'golden', backup, workers: 1 }
  const { damaged, unrestored } = await restore(request)
  assert.deepEqual([damaged, unrestored], [false, 0])
  same(back, level)
}

for (const { store, codecs, options } of stores) {
  const container = path.join(fixtures, store, 'store')
  const secret = options.length === 0 ? undefined : passphrase

  test(`${store}: lists, and restores every level to its tree`, async () => {
    const before = filesBelow(container)
    const backups = await list(container, ...options)
    assert.deepEqual(
      backups.map((one) => [one.host, one.name, one.level, one.codecs, one.foreign?.readable]),
      [0, 1, 2].map((level) => ['host1', 'golden', level, codecs, true]),
    )
    const byProgram = fresh()
    const whose = ['--backup-name', 'golden', '--hostname', 'host1', ...options]
    const middle = backups[1]!
    await json('restore', byProgram, '--container', container, ...whose, '--restore-from-date', middle.time)
    same(byProgram, 1)
    await using repository = await openForeign(await openLocal(container), listening().context, secret)
    for (const { level, time, id } of backups) {
      await expectLevel(repository, { id }, level)
      await expectLevel(repository, { before: new Date(time) }, level)
    }
    assert.deepEqual(filesBelow(container), before, 'nothing was written to the container')
  })

  test(`${store}: a check reads all of it, a copy restores to the same trees at the same moments`, async () => {
    const report = await json('check', '--container', container, ...options)
    assert.deepEqual([report['backups'], report['damaged']], [3, []])
    const copy = fresh()
    const to = options.length === 0 ? [] : ['--to-encrypt-pass-file', passphraseFile]
    const first = await json('copy', '--container', container, ...options, '--to-container', copy, ...to)
    assert.deepEqual([first['copied'], first['present'], first['failed']], [3, 0, 0])
    const again = await json('copy', '--container', container, ...options, '--to-container', copy, ...to)
    assert.deepEqual([again['copied'], again['present'], again['failed'], again['read']], [0, 3, 0, 0])
    const originals = await list(container, ...options)
    const copies = await list(copy, ...options)
    const facts = ({ host, name, level, time }: Listed) => ({ host, name, level, time })
    assert.deepEqual(copies.map(facts), originals.map(facts))
    assert.equal(new Set(copies.map(({ chain }) => chain)).size, 1)
    const repository = await openExisting(copy, secret)
    for (const { level, id } of copies) await expectLevel(repository, { id }, level)
    await expectSound(repository)
  })
}

test('a level that was made several times is restored as it was each time', async () => {
  const container = path.join(fixtures, 'tar-always2', 'store')
  const backups = await list(container)
  assert.deepEqual(
    backups.map(({ level }) => level),
    [0, 1, 2, 2, 2],
  )
  const copy = fresh()
  await json('copy', '--container', container, '--to-container', copy)
  await using foreign = await openForeign(await openLocal(container), listening().context)
  for (const repository of [foreign, await openExisting(copy)]) {
    for (const [at, { time }] of backups.entries()) {
      const file = (await treeAt(repository, scratch.path, time, 'al')).get('f')
      const numbers = ['1', ...Array.from({ length: at + 1 }, (_, n) => String(n + 1))]
      const text = `${numbers.join('\n')}\n`
      assert.equal(file?.sha256, createHash('sha256').update(text).digest('hex'), time)
    }
  }
  const third = fresh()
  const whose = ['-N', 'al', '--hostname', 'h', '--container', container]
  await json('restore', third, ...whose, '--restore-from-date', backups[2]!.time)
  assert.equal(fs.readFileSync(path.join(third, 'f'), 'utf8'), '1\n1\n2\n3\n')
  const latest = await freezer('cat', 'latest', 'f', '--container', container)
  assert.equal(latest.stdout, '1\n1\n2\n3\n4\n5\n')
})

for (const codec of ['gzip', 'bzip2']) {
  test(`the engine rsyncv2 with ${codec}, which its own program cannot restore`, async () => {
    const container = path.join(fixtures, `rsyncv2-${codec}-plain-level0`, 'store')
    const back = fresh()
    await json('restore', back, '-N', 'g', '--hostname', 'host1', '--container', container)
    assert.equal(fs.readFileSync(path.join(back, 'a.txt'), 'utf8'), 'ascii body\n')
    const numbers = Array.from({ length: 2000 }, (_, n) => `${n + 1}\n`).join('')
    assert.equal(fs.readFileSync(path.join(back, 'd', 'n.txt'), 'utf8'), numbers)
    assert.equal(fs.readlinkSync(path.join(back, 'l')), 'a.txt')
    assert.deepEqual(fs.readdirSync(back).sort(), ['a.txt', 'd', 'e', 'l'])
    assert.deepEqual(fs.readdirSync(path.join(back, 'e')), [])
  })
}

test('looks inside as in a container of our own', async () => {
  const container = path.join(fixtures, 'tar-gzip-plain', 'store')
  const [zero, , two] = await list(container)
  const inside = await freezer('ls', zero!.id, 'dir', '--container', container)
  assert.equal(inside.stdout, 'dir/delete-at-1.txt\ndir/nested/\ndir/ünï/\n')
  const text = await freezer('cat', two!.id, 'plain.txt', '--container', container)
  assert.equal(text.stdout, 'hello freezer, level 1\n')
  const found = await json('find', 'plain.txt', '--container', container)
  const [{ versions }] = found['found'] as [{ versions: { backups: unknown[] }[] }]
  assert.deepEqual(
    versions.map(({ backups }) => backups.length),
    [1, 2],
  )
  const diff = await freezer('diff', zero!.id, two!.id, '--container', container)
  assert.match(diff.stdout, /newdir-at-2/)
  const dumped = await run('sh', [
    '-c',
    `node core/bin/freezer.js dump ${two!.id} dir --container ${container} | tar -t`,
  ])
  assert.match(dumped.stdout, /nested\/deep\/leaf\.txt/)
  const info = await json('info', '--container', container)
  assert.equal(info['backups'], 3)
})

test('restores a part, previews, and deletes nothing that it was not asked to delete', async () => {
  const container = path.join(fixtures, 'tar-gzip-plain', 'store')
  const whose = ['--container', container, '-N', 'golden', '--hostname', 'host1']
  const back = fresh()
  await json('restore', back, ...whose, '--path', 'dir/nested')
  assert.deepEqual(filesBelow(back), ['dir/nested/deep/leaf.txt'])
  fs.writeFileSync(path.join(back, 'mine'), 'mine')
  const refused = await freezer('restore', back, ...whose)
  assert.equal(refused.status, 5)
  const preview = await json('restore', back, ...whose, '--overwrite', '--delete', '--dry-run')
  assert.equal(preview['deleted'], 1)
  assert.equal(fs.existsSync(path.join(back, 'mine')), true)
  await json('restore', back, ...whose, '--overwrite')
  assert.equal(fs.readFileSync(path.join(back, 'mine'), 'utf8'), 'mine')
  await json('restore', back, ...whose, '--overwrite', '--delete')
  same(back, 2)
})

test('what would write to the container is refused, and says what to do', async () => {
  const { container } = copyOf('tar-gzip-plain', fresh())
  const before = filesBelow(container)
  const source = fresh()
  fs.mkdirSync(source)
  fs.writeFileSync(path.join(source, 'x'), 'x')
  for (const words of [
    ['backup', source, '-N', 'golden'],
    ['backup', source, '-N', 'golden', '--encrypt-pass-file', passphraseFile],
    ['prune', '--keep-last', '1'],
    ['pin', '4bf2'],
    ['status'],
  ]) {
    const { status, stderr } = await freezer(...words, '--container', container)
    assert.equal(status, 5, `${words[0]}: ${stderr}`)
    assert.match(stderr, /OpenStack Freezer.*freezer copy/s)
  }
  assert.deepEqual(filesBelow(container), before)
})

test('it is refused as one of several storages too, before anything is put on any', async () => {
  const { container: theirs } = copyOf('tar-gzip-plain', fresh())
  const [ours, ini] = [fresh(), fresh()]
  const sections = [ours, theirs].map((at, i) => `[storage:s${i}]\nstorage = local\ncontainer = ${at}\n`)
  fs.writeFileSync(ini, sections.join(''))
  const before = filesBelow(theirs)
  const refused = async (...words: string[]) => {
    const ended = await freezer(...words, '--config', ini, '--no-progress')
    assert.equal(ended.status, 5, ended.stderr)
    assert.match(ended.stderr, /OpenStack Freezer.*freezer copy/s)
    assert.deepEqual(filesBelow(theirs), before)
  }
  await refused('backup', fixtures, '-N', 'n')
  assert.deepEqual(fs.existsSync(ours) ? filesBelow(ours) : [], [])
  await json('backup', fixtures, '-N', 'n', '--container', ours)
  await refused('backup', fixtures, '-N', 'n')
  await refused('heal', '--dry-run')
  await refused('heal')
})

test('a container of our own comes first, whatever else lies there', async () => {
  const { container } = copyOf('tar-gzip-plain', fresh())
  fs.writeFileSync(path.join(container, 'freezer'), '{"format":"freezer container","version":1}\n')
  assert.deepEqual(await list(container), [])
})

test('the passphrase: missing, wrong, with the line end of another system, under MD5', async () => {
  const container = path.join(fixtures, 'tar-gzip-enc', 'store')
  const restoreFrom = (from: string, ...more: string[]) =>
    freezer('restore', fresh(), '-N', 'golden', '--hostname', 'host1', '--container', from, ...more)
  assert.equal((await restoreFrom(container)).status, 8)
  const wrong = fresh()
  fs.writeFileSync(wrong, 'wrong\n')
  assert.equal((await restoreFrom(container, '--encrypt-pass-file', wrong)).status, 8)
  for (const [digest, lineEnd] of [
    ['md5', '\n'],
    ['sha256', '\r\n'],
  ] as const) {
    const { container: again, archive } = copyOf('tar-gzip-enc', fresh())
    const passFile = fresh()
    fs.writeFileSync(passFile, `${passphrase}${lineEnd}`)
    for (const level of [0, 1, 2]) {
      const source = copyOf('tar-gzip-plain', fresh()).archive(level)
      const words = ['enc', '-aes-256-cfb', '-md', digest, '-pass', `file:${passFile}`, '-in', source]
      assert.equal((await run('openssl', [...words, '-out', archive(level)])).status, 0)
    }
    const back = fresh()
    const whose = ['-N', 'golden', '--hostname', 'host1', '--encrypt-pass-file', passFile]
    await json('restore', back, '--container', again, ...whose)
    same(back, 2)
  }
})

/** Restores the newest level, and says where to. */
async function restoreDamaged(container: string) {
  const back = fresh()
  return { ...(await restoreForeign(await openLocal(container), back)), back }
}

type Rows = Map<string, { sha256?: string; type: string }>
const rows = (tree: unknown): Rows =>
  new Map((tree as { entries: { path: string; type: string }[] }).entries.map((entry) => [entry.path, entry]))

/** Where an archive is cut off, as parts of it; FREEZER_EVERY_CALL=1 tries all of them with every codec at every level. */
const middle = [0.03, 0.2, 0.45, 0.7, 0.9]
const every = process.env['FREEZER_EVERY_CALL'] === '1'

for (const [which, codec] of ['gzip', 'bzip2', 'xz'].entries()) {
  for (const level of [0, 1, 2]) {
    test(`${codec}: level ${level} cut off anywhere ends damaged, and what is restored is right`, async () => {
      const { container, archive } = copyOf(`tar-${codec}-plain`, fresh())
      const whole = fs.readFileSync(archive(level))
      const expected = rows(expectedTree(2))
      const some = every ? middle : middle.filter((_, at) => (at + which + level) % 3 === 0)
      const parts = [0, ...some, 1].map((part) => Math.floor(whole.length * part))
      for (const length of new Set(parts.map((part) => Math.min(part, whole.length - 1)))) {
        fs.writeFileSync(archive(level), whole.subarray(0, length))
        const { code, back, lost, message } = await restoreDamaged(container)
        assert.equal(code, 'damaged', `${length} of ${whole.length}: ${message}`)
        if (!fs.existsSync(back)) continue
        const got = rows(describe(back))
        for (const [name, row] of got) {
          assert.equal(row.sha256, expected.get(name)?.sha256, `${name}, cut at ${length}`)
          assert.ok(expected.has(name), `${name}, cut at ${length}`)
        }
        for (const [name] of expected) {
          if (got.has(name)) continue
          const above = name.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'))
          const isNamed = above.some((one) => lost.includes(one))
          assert.ok(isNamed, `${name} is lost and not named, cut at ${length}`)
        }
      }
      if (codec !== 'gzip') return
      const checked = await freezer('check', '--container', container)
      assert.equal(checked.status, 6)
      const copied = await freezer('copy', '--container', container, '--to-container', fresh(), '--json')
      assert.equal(copied.status, 6)
      const copy = JSON.parse(copied.stdout) as { copied: number; failed: number }
      assert.deepEqual([copy.copied, copy.failed], [level, 3 - level])
    })
  }

  test(`${codec}: a bit that fell over is never restored as if it were right`, async () => {
    const { container, archive } = copyOf(`tar-${codec}-plain`, fresh())
    const whole = fs.readFileSync(archive(0))
    for (let at = 12; at < whole.length; at += Math.ceil(whole.length / 8)) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << (at % 8)
      fs.writeFileSync(archive(0), flipped)
      const { code, back, message } = await restoreDamaged(container)
      // Where it changes nothing that is decoded, all must be there.
      if (code === undefined) same(back, 2)
      else assert.ok(code === 'damaged' || code === 'hostile', `${at}: ${code} ${message}`)
    }
  })
}

interface Forged {
  readonly name: string
  readonly flag?: string
  readonly content?: Buffer
  readonly link?: string
  readonly size?: number
}

/** A tar archive of GNU's kind with these members. */
function forge(members: readonly Forged[]): Buffer {
  const blocks = members.flatMap(({ name, flag = '0', content = Buffer.alloc(0), link = '', size }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0, 100, 'latin1')
    for (const [number, at] of [
      ['0000644', 100],
      ['0000000', 108],
      ['0000000', 116],
    ] as const)
      header.write(number, at)
    header.write(`${(size ?? content.length).toString(8).padStart(11, '0')}\0`, 124, 'latin1')
    header.write('14000000000\0', 136, 'latin1')
    header.write(flag, 156, 'latin1')
    header.write(link, 157, 100, 'latin1')
    header.write('ustar  \0', 257, 'latin1')
    for (const [number, at] of [
      ['0000001', 329],
      ['0000003', 337],
    ] as const)
      header.write(number, at)
    header.fill(' ', 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(10_240)])
}

const dumpdir = (...names: string[]) => Buffer.from(`${names.join('\0')}\0\0`, 'latin1')
const hostile: readonly { readonly what: string; readonly members: readonly Forged[] }[] = [
  { what: 'a name that leads up', members: [{ name: './../escaped' }] },
  { what: 'an absolute name', members: [{ name: `${scratch.path}/escaped` }] },
  {
    what: 'a file behind a symbolic link',
    members: [
      { name: './out', flag: '2', link: scratch.path },
      { name: './out/escaped', content: Buffer.from('x') },
    ],
  },
  { what: 'a hard link to outside', members: [{ name: './hosts', flag: '1', link: '../../escaped' }] },
  { what: 'a list with ..', members: [{ name: './', flag: 'D', content: dumpdir('Y..') }] },
  { what: 'a list with a path', members: [{ name: './', flag: 'D', content: dumpdir('Ya/b') }] },
  {
    what: 'a directory that is renamed to outside',
    members: [{ name: './', flag: 'D', content: dumpdir('Rdir', 'T../escaped') }],
  },
  { what: 'a size beyond the end', members: [{ name: './huge', size: 2 ** 32 }] },
  {
    what: 'a list that is longer than any',
    members: [{ name: './', flag: 'D', size: 2 ** 31, content: dumpdir('Ya') }],
  },
]

for (const { what, members } of hostile) {
  test(`an archive that is up to something: ${what}`, async () => {
    const { container, archive } = copyOf('tar-gzip-plain', fresh())
    const target = path.join(scratch.path, 'target')
    for (const level of [0, 1]) {
      const whole = fs.readFileSync(copyOf('tar-gzip-plain', fresh()).archive(level))
      const forged = level === 0 ? forge(members) : Buffer.concat([gunzipSync(whole), forge(members)])
      fs.writeFileSync(archive(level), gzipSync(forged))
      fs.rmSync(target, { recursive: true, force: true })
      const { code, message } = await restoreForeign(await openLocal(container), target)
      assert.ok(code === 'damaged' || code === 'hostile', `${code}: ${message}`)
      assert.deepEqual(
        fs.readdirSync(scratch.path).filter((name) => name === 'escaped'),
        [],
      )
      fs.writeFileSync(archive(level), whole)
    }
  })
}

test('a device of the archive is made as a restore of ours makes it', async () => {
  const { container, archive } = copyOf('tar-gzip-plain', fresh())
  const members = [
    { name: './', flag: 'D', content: dumpdir('Ynull') },
    { name: './null', flag: '3' },
  ]
  fs.writeFileSync(archive(0), gzipSync(forge(members)))
  const [zero] = await list(container)
  const back = fresh()
  const { status } = await freezer('restore', back, '--backup', zero!.id, '--container', container)
  assert.equal(status, isRoot ? 0 : 3)
  if (isRoot) assert.equal(fs.statSync(path.join(back, 'null')).rdev, (1 << 8) + 3)
})

test('an archive that unpacks to zeros without end is given up', async () => {
  const { container, archive } = copyOf('tar-gzip-plain', fresh())
  const zeros = gzipSync(Buffer.alloc(100 * 2 ** 20))
  const members = [{ name: './', flag: 'D', content: dumpdir() }]
  fs.writeFileSync(archive(0), Buffer.concat([gzipSync(forge(members)), zeros]))
  assert.equal((await restoreDamaged(container)).code, 'hostile')
})

test('what is missing or is no description is damaged, and hides nothing else', async () => {
  const { container, archive } = copyOf('tar-gzip-plain', fresh())
  const metadata = (level: number) =>
    path.join(path.dirname(archive(level)).replace('/data/', '/metadata/'), 'metadata')
  fs.writeFileSync(metadata(1), '{"engine_name"')
  const listed = await freezer('list', '--container', container, '--json')
  assert.equal(listed.status, 6)
  const { backups, damaged } = JSON.parse(listed.stdout) as { backups: Listed[]; damaged: unknown[] }
  assert.deepEqual([backups.length, damaged.length], [2, 1])
  assert.equal((await restoreDamaged(container)).code, 'damaged')
  const zero = fresh()
  await json('restore', zero, '--backup', backups[0]!.id, '--container', container)
  same(zero, 0)
  fs.rmSync(path.dirname(metadata(1)), { recursive: true })
  assert.equal((await restoreDamaged(container)).code, 'damaged')
  fs.rmSync(archive(0))
  const checked = await freezer('check', '--container', container, '--json')
  assert.equal(checked.status, 6)
  assert.equal((JSON.parse(checked.stdout) as { damaged: unknown[] }).damaged.length, 2)
})

test('images of a cloud are listed, and what comes of them is said', async () => {
  const { container } = copyOf('tar-gzip-plain', fresh())
  const server = '5b8b4b5e-6b62-4b5f-9d1c-0d3f6a1b2c3d'
  const put = (key: string, content: string) => {
    fs.mkdirSync(path.join(container, path.dirname(key)), { recursive: true })
    fs.writeFileSync(path.join(container, key), content)
  }
  for (const engine of ['nova', 'glance']) {
    const at = `${engine}/host1_vm/${server}/1795400000/0_1795400000`
    const what = engine === 'nova' ? 'server' : 'image'
    put(
      `metadata/${at}/metadata`,
      JSON.stringify({ engine_name: engine, [what]: { id: server, name: 'vm' }, encryption: false }),
    )
    put(`data/${at}/data`, 'image')
    put(`data/${at}/engine_metadata`, '{"length": "5"}')
  }
  put(`${server}/1795400001/${server}`, 'volume')
  put(`${server}/1795400001/metadata`, '{"volume_name": "disk", "x-object-meta-length": "6"}')
  const images = (await list(container)).filter(({ foreign }) => foreign?.readable === false)
  assert.deepEqual(images.map(({ foreign }) => foreign?.content).sort(), [
    'image',
    'image of a server',
    'image of a volume',
  ])
  for (const { id } of images) {
    const { status, stderr } = await freezer('restore', fresh(), '--backup', id, '--container', container)
    assert.equal(status, 12)
    assert.match(stderr, /image/)
  }
})
