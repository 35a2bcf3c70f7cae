// Content out of a backup without a restore: bytes as they were, archives that other programs read, never a wrong byte.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { json, programFile, run, scratchDirectory } from './support/program.ts'
import { describeTree, differences, makeTree, mutateTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('dump')
after(() => removeTree(scratch.path))
const at = (...parts: readonly string[]) => path.join(scratch.path, ...parts)

const passphrase = at('passphrase')
fs.writeFileSync(passphrase, 'a passphrase of the test\n')

/** Runs `freezer` with its output, whatever bytes it is, in a file. */
function intoFile(file: string, ...words: readonly string[]): Promise<{ status: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    const stdout = fs.openSync(file, 'w')
    const child = spawn(process.execPath, [programFile, ...words], { stdio: ['ignore', stdout, 'pipe'] })
    fs.closeSync(stdout)
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? -1, stderr }))
  })
}

async function unpack(archive: string, target: string): Promise<void> {
  fs.mkdirSync(target)
  // It remarks on odd times, and on the word that says that a name is no text.
  const quiet = ['--warning=no-timestamp', '--warning=no-unknown-keyword']
  const words = [...quiet, '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', archive, '-C', target]
  const { status, stderr } = await run('tar', words)
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '')
}

/** What python's zipfile says of an archive whose checksums it has tested: name, mode with type, time, content. */
const reader = `
import sys, json, zipfile, hashlib
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps([[i.filename, i.external_attr >> 16, i.date_time[0], i.file_size,
  hashlib.sha256(z.read(i)).hexdigest(), z.read(i).hex() if i.file_size < 5000 else '', i.compress_size, i.extra.hex()] for i in z.infolist()]))
`
type ZipMember = [
  name: string,
  mode: number,
  year: number,
  size: number,
  sha256: string,
  hex: string,
  packed: number,
  extra: string,
]

async function readZip(archive: string): Promise<ZipMember[]> {
  const { status, stdout, stderr } = await run('python3', ['-c', reader, archive])
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as ZipMember[]
}

for (const [how, options] of Object.entries({
  plain: [],
  encrypted: ['--encrypt-pass-file', passphrase],
})) {
  describe(`random trees, level by level, ${how}`, () => {
    const source = at(`source-${how}`)
    const container = ['--container', at(`container-${how}`), '--backup-name', 'n', ...options]
    const moments: { id: string; tree: ReturnType<typeof describeTree> }[] = []

    before(async () => {
      const random = seeded(how.length)
      makeTree(source, random, 120)
      for (let level = 0; level < 3; level++) {
        const tree = describeTree(source)
        const { id } = await json('backup', source, ...container)
        moments.push({ id: String(id), tree })
        mutateTree(source, random, 20)
      }
    })

    test('tar: GNU tar unpacks every level to what it was', async () => {
      for (const [level, { id, tree }] of moments.entries()) {
        const archive = at(`${how}-${level}.tar`)
        const { status, stderr } = await intoFile(archive, 'dump', id, ...container, '--no-progress')
        assert.equal(status, 0, stderr)
        const target = at(`${how}-${level}`)
        await unpack(archive, target)
        const found = describeTree(target)
        const lines = differences(tree, found, ['data', 'sameAs'])
        assert.deepEqual(lines, [], `level ${level}`)
        for (const [own, { sameAs }] of tree) assert.equal(found.get(own)?.sameAs, sameAs, own)
        removeTree(target)
      }
    })

    test('zip: python reads every level: files, directories, links; what it cannot hold is named', async () => {
      for (const [level, { id, tree }] of moments.entries()) {
        const archive = at(`${how}-${level}.zip`)
        const words = ['dump', id, ...container, '--format', 'zip', '--no-progress']
        const { status, stderr } = await intoFile(archive, ...words)
        assert.equal(status, 3, stderr)
        const members = new Map((await readZip(archive)).map((member) => [member[0], member]))
        const isText = (own: string) =>
          Buffer.from(Buffer.from(own, 'latin1').toString()).toString('latin1') === own
        let expected = 0
        for (const [own, { type, mode, size, sha256, link, mtime }] of tree) {
          if (own === '' || !['file', 'directory', 'symlink'].includes(type) || !isText(own)) continue
          expected++
          const name = Buffer.from(own, 'latin1').toString() + (type === 'directory' ? '/' : '')
          const member = members.get(name)
          assert.ok(member !== undefined, name)
          const bits = { file: 0o100000, directory: 0o040000, symlink: 0o120000 }[type as 'file']
          assert.equal(member[1], bits | mode, name)
          if (type === 'file') assert.deepEqual([member[3], member[4]], [size, sha256], name)
          if (type === 'symlink') assert.equal(Buffer.from(member[5], 'hex').toString('latin1'), link)
          const seconds = mtime / 1_000_000_000n - (mtime < 0n && mtime % 1_000_000_000n !== 0n ? 1n : 0n)
          if (seconds > -(2n ** 31n) && seconds < 2n ** 31n) {
            const field = Buffer.alloc(9)
            field.write('UT', 'latin1')
            field.writeUInt16LE(5, 2)
            field.writeUInt8(1, 4)
            field.writeInt32LE(Number(seconds), 5)
            assert.ok(member[7].includes(field.toString('hex')), name)
          }
        }
        assert.equal(members.size, expected)
      }
    })

    test('cat: every file as it was, a hard link like its file; all else is refused', async () => {
      for (const { id, tree } of moments) {
        const texts = [...tree].filter(([own]) => own !== '' && !/[^ -~]/.test(own))
        const files = texts.filter(([, { type }]) => type === 'file')
        const chosen = [...files.filter(([, { sameAs }]) => sameAs !== '').slice(0, 1), ...files.slice(0, 2)]
        for (const [own, { sha256 }] of chosen) {
          const file = at('cat')
          const { status, stderr } = await intoFile(file, 'cat', id, own, ...container)
          assert.equal(status, 0, stderr)
          const { stdout } = await run('sha256sum', [file])
          assert.equal(stdout.slice(0, 64), sha256, own)
        }
        const others = ['directory', 'symlink', 'fifo'].flatMap(
          (type) => texts.find(([, one]) => one.type === type) ?? [],
        )
        for (const own of others.filter((one) => typeof one === 'string')) {
          const { status, stdout } = await run(process.execPath, [programFile, 'cat', id, own, ...container])
          assert.deepEqual([status, stdout], [2, ''], own)
        }
      }
      const { status, stdout } = await run(process.execPath, [
        programFile,
        'cat',
        'latest',
        'no/such',
        ...container,
      ])
      assert.deepEqual([status, stdout], [4, ''])
    })
  })
}

describe('a part of a tree', () => {
  const source = at('part')
  const container = ['--container', at('part-container'), '--backup-name', 'n']
  const big = Buffer.alloc(12 * 2 ** 20, 'abcdefg')

  before(async () => {
    fs.mkdirSync(path.join(source, 'a', 'b'), { recursive: true })
    fs.writeFileSync(path.join(source, 'first'), 'shared')
    fs.linkSync(path.join(source, 'first'), path.join(source, 'a', 'b', 'second'))
    fs.linkSync(path.join(source, 'first'), path.join(source, 'a', 'b', 'third'))
    fs.writeFileSync(path.join(source, 'a', 'b', 'alone'), 'alone')
    fs.writeFileSync(path.join(source, 'a', 'big'), big)
    fs.writeFileSync(path.join(source, 'z'), 'last')
    await json('backup', source, ...container)
  })

  test('tar and zip of a directory hold it and nothing above; a hard link whose file is elsewhere is the file', async () => {
    const archive = at('part.tar')
    assert.equal((await intoFile(archive, 'dump', 'latest', 'a/b', ...container)).status, 0)
    const { stdout } = await run('tar', ['-tf', archive])
    assert.deepEqual(stdout.split('\n').filter(Boolean), ['a/b/', 'a/b/alone', 'a/b/second', 'a/b/third'])
    await unpack(archive, at('part-out'))
    assert.equal(fs.readFileSync(at('part-out', 'a', 'b', 'third'), 'utf8'), 'shared')
    const zip = at('part.zip')
    assert.equal((await intoFile(zip, 'dump', 'latest', 'a/b/', ...container, '--format', 'zip')).status, 0)
    const members = await readZip(zip)
    assert.deepEqual(
      members.map(([name, , , , , hex]) => [name, Buffer.from(hex, 'hex').toString()]).sort(),
      [
        ['a/b/', ''],
        ['a/b/alone', 'alone'],
        ['a/b/second', 'shared'],
        ['a/b/third', 'shared'],
      ],
    )
  })

  test('a single file', async () => {
    const archive = at('single.tar')
    assert.equal((await intoFile(archive, 'dump', 'latest', 'z', ...container)).status, 0)
    assert.equal((await run('tar', ['-tf', archive])).stdout, 'z\n')
    assert.equal((await intoFile(archive, 'dump', 'latest', 'nothing', ...container)).status, 4)
  })

  test('--json is refused', async () => {
    for (const words of [
      ['cat', 'latest', 'z'],
      ['dump', 'latest'],
    ]) {
      const { status, stdout } = await run(process.execPath, [programFile, ...words, ...container, '--json'])
      assert.equal(status, 2)
      assert.equal(JSON.parse(stdout).failure.code, 'usage')
    }
  })

  test('whoever stops reading ends it, without a word', async () => {
    for (const words of [
      'cat latest a/big',
      'dump latest',
      'dump latest --format zip',
      'ls latest --recursive',
    ]) {
      const line = `"$0" "$1" ${words} --container ${at('part-container')} | head -c 3 >/dev/null; echo "\${PIPESTATUS[0]}"`
      const { stdout, stderr } = await run('bash', ['-c', line, process.execPath, programFile])
      // What fits into the pipe may be written before the reader is gone.
      assert.ok(stdout === '141\n' || (words.startsWith('ls') && stdout === '0\n'), `${words}: ${stdout}`)
      assert.equal(stderr, '')
    }
  })

  test('damage: what comes out is right as far as it goes, the rest is not there, and the exit status is 6', async () => {
    const damaged = at('damaged')
    fs.cpSync(at('part-container'), damaged, { recursive: true })
    const there = ['--container', damaged, '--backup-name', 'n']
    // The archive has one block a MiB; the big file is the largest part of it.
    const segments = fs
      .readdirSync(damaged, { recursive: true, encoding: 'utf8' })
      .filter((name) => /data\.\d+$/.test(name))
    const [segment] = segments
    assert.ok(segment !== undefined && segments.length === 1)
    const file = path.join(damaged, segment)
    const bytes = fs.readFileSync(file)
    const middle = Math.floor((bytes.length * 8) / 10)
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
    fs.writeFileSync(file, bytes)

    const out = at('damaged-out')
    const cat = await intoFile(out, 'cat', 'latest', 'a/big', ...there)
    assert.equal(cat.status, 6, cat.stderr)
    const given = fs.readFileSync(out)
    assert.ok(given.length < big.length && given.length > 0)
    assert.ok(given.equals(big.subarray(0, given.length)))

    // It shows only after the file has begun: the archive ends there.
    const tar = await intoFile(out, 'dump', 'latest', ...there)
    assert.equal(tar.status, 6, tar.stderr)
    assert.match(tar.stderr, /"a\/big" is damaged: the archive ends/)
    assert.notEqual((await run('tar', ['-tf', out])).status, 0)
    const zip = await intoFile(out, 'dump', 'latest', '--format', 'zip', ...there)
    assert.equal(zip.status, 6, zip.stderr)
    assert.notEqual((await run('python3', ['-c', reader, out])).status, 0)

    // What does not lie in the damaged block is whole.
    const other = await intoFile(out, 'dump', 'latest', 'a/b', ...there)
    assert.ok(other.status === 0 || other.status === 6)
    assert.equal((await run('tar', ['-tf', out])).status, 0)
  })

  test('damage that shows in time: the file is left out and named, and the archive is whole', async () => {
    const damaged = at('damaged-early')
    fs.cpSync(at('part-container'), damaged, { recursive: true })
    const name = fs
      .readdirSync(damaged, { recursive: true, encoding: 'utf8' })
      .find((one) => /data\.0+$/.test(one))
    assert.ok(name !== undefined)
    const bytes = fs.readFileSync(path.join(damaged, name))
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40)
    fs.writeFileSync(path.join(damaged, name), bytes)
    for (const format of ['tar', 'zip']) {
      const out = at(`early.${format}`)
      const { status, stderr } = await intoFile(
        out,
        'dump',
        'latest',
        '--container',
        damaged,
        '--format',
        format,
      )
      assert.equal(status, 6, stderr)
      assert.match(stderr, /unrestored: a\/big: It is left out/)
      const list =
        format === 'tar'
          ? (await run('tar', ['-tf', out])).stdout.split('\n')
          : (await readZip(out)).map(([one]) => one)
      assert.ok(list.includes('a/') || list.includes('a/b/'), String(list))
      assert.ok(!list.includes('a/big'))
    }
  })
})

test('more than a zip archive holds is refused before anything is written', async () => {
  const source = at('large')
  fs.mkdirSync(path.join(source, 'small'), { recursive: true })
  fs.writeFileSync(path.join(source, 'small', 'file'), 'small')
  fs.writeFileSync(path.join(source, 'hole'), '')
  fs.truncateSync(path.join(source, 'hole'), 2 ** 32)
  const container = ['--container', at('large-container'), '--backup-name', 'n']
  await json('backup', source, ...container)
  const out = at('large.zip')
  const { status, stderr } = await intoFile(out, 'dump', 'latest', '--format', 'zip', ...container)
  assert.equal(status, 5, stderr)
  assert.match(stderr, /--format tar/)
  assert.equal(fs.statSync(out).size, 0)
  assert.equal((await intoFile(out, 'dump', 'latest', 'small', '--format', 'zip', ...container)).status, 0)
  assert.equal((await readZip(out)).length, 2)
})
