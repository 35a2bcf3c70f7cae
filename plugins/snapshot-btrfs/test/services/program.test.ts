import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { hasOwnMounts, makeFileSystem } from '../../../../test/services/btrfs.ts'
import { freezer, json, programFile, run, scratchDirectory } from '../../../../test/support/program.ts'
import { btrfs, contents, makeSubvolume, snapshotsOn } from './support.ts'

if (hasOwnMounts(import.meta.url)) {
  const system = makeFileSystem('btrfs', 512 * 2 ** 20)
  const scratch = scratchDirectory('btrfs')
  after(() => {
    system.remove()
    scratch.remove()
  })
  const writerFile = fileURLToPath(new URL('writer.ts', import.meta.url))
  let made = 0

  const volume = () => makeSubvolume(path.join(system.path, `volume-${made++}`))
  const fresh = (name: string) => path.join(scratch.path, `${name}-${made++}`)
  const backup = (source: string, container: string, ...words: readonly string[]) => {
    const common = ['--container', container, '--backup-name', 'n']
    const chosen = words.includes('--snapshot') ? [] : ['--snapshot', 'btrfs']
    return ['backup', source, ...common, ...chosen, ...words]
  }

  /** The newest backup, restored. */
  async function restored(container: string): Promise<string> {
    const target = fresh('target')
    await json('restore', target, '--container', container, '--backup-name', 'n')
    return target
  }

  async function startWriter(directory: string, files: number): Promise<ChildProcess> {
    const writer = spawn(process.execPath, [writerFile, directory, String(files)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(writer.stdout, 'data')
    return writer
  }

  /** Its exit status; null when a signal ended it. */
  async function statusOf(child: ChildProcess): Promise<number | null> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child.exitCode
  }

  async function end(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL')
    await statusOf(child)
  }

  /** Whether the numbers of the writer are of one moment. */
  function isOfOneMoment(directory: string): boolean {
    const numbers = Object.values(contents(directory)).map(Number)
    const [first = 0] = numbers
    const changes = numbers.filter((number, at) => at > 0 && number !== numbers[at - 1]).length
    return changes <= 1 && numbers.every((number) => number === first || number === first - 1)
  }

  describe('one moment', () => {
    test('while everything is written to, the backup is of one moment; without a snapshot it is not', async () => {
      const source = volume()
      const writer = await startWriter(source, 300)
      try {
        const container = fresh('container')
        for (let level = 0; level < 5; level++) {
          const result = await json(...backup(source, container))
          assert.deepEqual([result['level'], result['snapshot'], result['changed']], [level, 'btrfs', 0])
          const target = await restored(container)
          assert.equal(Object.keys(contents(target)).length, 300)
          assert.ok(isOfOneMoment(target), `level ${level} is of several moments`)
        }
        let torn = false
        for (let attempt = 0; attempt < 10 && !torn; attempt++) {
          const alive = fresh('container')
          await freezer(...backup(source, alive, '--snapshot', 'none'))
          torn = !isOfOneMoment(await restored(alive))
        }
        assert.ok(torn, 'the writer is too slow to prove anything')
      } finally {
        await end(writer)
      }
      assert.deepEqual(snapshotsOn(system.path), [])
    })

    test('what is changed while it is read is in the next level, if its times tell or not', async () => {
      const source = volume()
      const container = fresh('container')
      for (let round = 0; round < 6; round++) {
        const writer = await startWriter(source, 20)
        const result = await json(...backup(source, container))
        await end(writer)
        assert.equal(result['level'], 2 * round)
        await json(...backup(source, container))
        assert.deepEqual(contents(await restored(container)), contents(source), `round ${round}`)
      }
    })
  })

  describe('levels', () => {
    test('store what changed and nothing else, with and without snapshots in turn', async () => {
      const source = volume()
      const container = fresh('container')
      for (let at = 0; at < 50; at++)
        fs.writeFileSync(path.join(source, `file-${at}`), `${at}`.repeat(20_000))
      fs.linkSync(path.join(source, 'file-0'), path.join(source, 'link-0'))
      await pause(100)
      const first = await json(...backup(source, container))
      assert.ok((first['archived'] as number) > 1_000_000)
      for (const [level, words] of [
        [1, []],
        [2, ['--snapshot', 'none']],
        [3, []],
      ] as const) {
        const result = await json(...backup(source, container, ...words))
        assert.deepEqual([result['level'], result['entries']], [level, 52])
        assert.ok((result['archived'] as number) < 20_000, `level ${level} archived ${result['archived']}`)
      }
      fs.writeFileSync(path.join(source, 'file-7'), 'changed')
      fs.rmSync(path.join(source, 'file-8'))
      fs.renameSync(path.join(source, 'file-9'), path.join(source, 'renamed'))
      const last = await json(...backup(source, container))
      assert.ok((last['archived'] as number) < 250_000, `archived ${last['archived']}`)
      assert.deepEqual(contents(await restored(container)), contents(source))
      const words = ['--container', container, '--backup-name', 'n', '--no-progress']
      const verified = await freezer('verify', source, ...words)
      assert.equal(verified.status, 0, verified.stdout + verified.stderr)
    })

    test('paths are those of the tree, in results, listings and the manifest', async () => {
      const source = path.join(volume(), 'in', 'here')
      fs.mkdirSync(source, { recursive: true })
      fs.writeFileSync(path.join(source, 'file'), 'x')
      const container = fresh('container')
      const ended = await freezer(...backup(source, container, '--debug', '--json'))
      assert.equal(ended.status, 0, ended.stderr)
      assert.ok(!(ended.stdout + ended.stderr).includes('.freezer-snapshot'), ended.stdout + ended.stderr)
      const manifests = path.join(container, 'manifests')
      assert.ok(!Object.values(contents(manifests)).join('').includes('.freezer-snapshot'))
      assert.ok(Object.values(contents(manifests)).join('').includes(JSON.stringify(source)))
      const listed = await freezer('ls', 'latest', '--container', container)
      assert.deepEqual(listed.stdout.trim().split('\n'), ['file'])
    })
  })

  describe('what is below', () => {
    test('another volume is named as not in the backup, unless it is excluded, empty, or not wanted', async () => {
      const source = volume()
      fs.mkdirSync(path.join(source, 'dir'))
      makeSubvolume(path.join(source, 'empty'))
      fs.writeFileSync(path.join(makeSubvolume(path.join(source, 'dir', 'sub')), 'lost'), 'x')
      makeSubvolume(path.join(source, 'dir', 'sub', 'deep'))
      const mounted = path.join(source, 'a mount')
      fs.mkdirSync(mounted)
      execFileSync('mount', ['-t', 'tmpfs', 'none', mounted])
      fs.writeFileSync(path.join(mounted, 'lost'), 'x')
      const told = await freezer(...backup(source, fresh('container')))
      assert.equal(told.status, 3, told.stderr)
      const unread = told.stderr.split('\n').filter((line) => line.startsWith('unread: '))
      assert.deepEqual(
        unread.map((line) => line.split(': ')[1]),
        ['a mount', 'dir/sub'],
      )
      const excluded = ['--exclude', 'sub', '--exclude', 'a mount']
      for (const words of [excluded, ['--one-file-system']]) {
        const ended = await freezer(...backup(source, fresh('container'), ...words))
        assert.equal(ended.status, 0, ended.stderr)
      }
      const within = await freezer(...backup(path.join(source, 'dir', 'sub'), fresh('container')))
      assert.equal(within.status, 0, within.stderr)
      execFileSync('umount', [mounted])
    })

    test('a path through subvolumes and links shows what is at its end', async () => {
      const outer = volume()
      fs.mkdirSync(path.join(outer, 'dir'))
      const inner = makeSubvolume(path.join(outer, 'dir', 'inner'))
      fs.mkdirSync(path.join(inner, 'leaf'))
      fs.writeFileSync(path.join(inner, 'leaf', 'file'), 'inner')
      fs.symlinkSync(path.join(outer, 'dir'), path.join(system.path, `way-${made}`))
      const way = path.join(system.path, `way-${made}`, 'inner', 'leaf')
      for (const [source, expected] of [
        [way, { file: 'inner' }],
        [path.join(way, 'file'), { file: 'inner' }],
      ] as const) {
        const container = fresh('container')
        await json(...backup(source, container))
        assert.deepEqual(contents(await restored(container)), expected)
      }
    })

    test('a subvolume that alone is mounted, and one of which a part is', async () => {
      const source = volume()
      fs.mkdirSync(path.join(source, 'part'))
      fs.writeFileSync(path.join(source, 'part', 'file'), 'x')
      fs.writeFileSync(path.join(makeSubvolume(path.join(source, 'sub')), 'lost'), 'x')
      const device = execFileSync('findmnt', ['-no', 'SOURCE', system.path], { encoding: 'utf8' }).trim()
      const [alone, part] = [fresh('alone'), fresh('part')]
      for (const at of [alone, part]) fs.mkdirSync(at)
      execFileSync('mount', ['-o', `subvol=${path.basename(source)}`, device, alone])
      execFileSync('mount', ['--bind', path.join(source, 'part'), part])
      const container = fresh('container')
      const ended = await freezer(...backup(alone, container))
      assert.equal(ended.status, 3, ended.stderr)
      assert.match(ended.stderr, /^unread: sub: /m)
      assert.deepEqual(contents(await restored(container)), { 'part/file': 'x' })
      const refused = await freezer(...backup(part, fresh('container')))
      assert.equal(refused.status, 5, refused.stderr)
      assert.match(refused.stderr, /Only a part of the subvolume/)
      execFileSync('umount', [alone, part])
    })
  })

  describe('what cannot be frozen is refused with one sentence, and nothing is left', () => {
    const source = volume()
    fs.writeFileSync(path.join(source, 'file'), 'x')
    const refused = async (status: number, pattern: RegExp, at: string, words: readonly string[] = []) => {
      const container = fresh('container')
      const ended = await freezer(...backup(at, container, ...words))
      assert.equal(ended.status, status, ended.stderr)
      assert.match(ended.stderr, pattern)
      assert.ok(!fs.existsSync(container) || !fs.existsSync(path.join(container, 'manifests')))
      assert.deepEqual(snapshotsOn(system.path), [])
    }

    test('another file system; auto goes without', async () => {
      const at = fresh('elsewhere')
      fs.mkdirSync(at)
      await refused(5, /No snapshot of .* btrfs: .* is not on btrfs, but on /, at)
      const result = await json(...backup(at, fresh('container'), '--snapshot', 'auto'))
      assert.equal(result['snapshot'], undefined)
      const frozen = await json(...backup(source, fresh('container'), '--snapshot', 'auto'))
      assert.equal(frozen['snapshot'], 'btrfs')
    })

    test('a read-only mount; a directory elsewhere on the file system helps', async () => {
      const at = fresh('read-only')
      fs.mkdirSync(at)
      execFileSync('mount', ['--bind', source, at])
      execFileSync('mount', ['-o', 'remount,bind,ro', at])
      await refused(5, /There is no place for a snapshot of .*: .* is mounted read-only/, at)
      const container = fresh('container')
      await json(...backup(at, container, '--btrfs-snapshot-dir', system.path))
      assert.deepEqual(contents(await restored(container)), { file: 'x' })
      execFileSync('umount', [at])
    })

    test('a directory for snapshots that others can write to, is elsewhere, or is not there', async () => {
      const open = path.join(system.path, 'open')
      fs.mkdirSync(open)
      fs.chmodSync(open, 0o1777)
      const words = (at: string) => ['--btrfs-snapshot-dir', at]
      await refused(5, /can be written to by others/, source, words(open))
      await refused(5, /is on another file system/, source, words(scratch.path))
      await refused(5, /Cannot look at .*nowhere: ENOENT/, source, words(path.join(open, 'nowhere')))
    })

    test('without the rights of root, and without the program', async () => {
      const container = fresh('container')
      const words = [programFile, ...backup(source, container)]
      const user = await run('setpriv', ['--bounding-set', '-sys_admin', process.execPath, ...words])
      assert.equal(user.status, 5, user.stderr)
      assert.match(user.stderr, /need the rights of root/)
      const hidden = 'mount --bind /dev/null "$(command -v btrfs)" && exec "$@"'
      const without = await run('unshare', ['--mount', 'sh', '-c', hidden, 'sh', process.execPath, ...words])
      assert.equal(without.status, 5, without.stderr)
      assert.match(without.stderr, /The program btrfs cannot be started/)
    })

    test('no space', async () => {
      const small = makeFileSystem('btrfs', 110 * 2 ** 20)
      const at = makeSubvolume(path.join(small.path, 'volume'))
      fs.writeFileSync(path.join(at, 'file'), 'x')
      btrfs('quota', 'enable', small.path)
      const place = makeSubvolume(path.join(small.path, 'place'))
      const full = makeSubvolume(path.join(place, 'full'))
      void full
      btrfs('qgroup', 'limit', '16384', place)
      const container = fresh('container')
      const ended = await freezer(...backup(at, container, '--btrfs-snapshot-dir', place))
      small.remove()
      assert.equal(ended.status, 11, ended.stderr)
      assert.match(ended.stderr, /Cannot make a snapshot of .*: .*(No space left|quota exceeded)/)
    })
  })

  describe('what is killed or stopped', () => {
    const source = volume()
    for (let at = 0; at < 200; at++) fs.writeFileSync(path.join(source, `f${at}`), `${at}`.repeat(5000))
    const start = (container: string) =>
      spawn(process.execPath, [programFile, ...backup(source, container, '--no-incremental')], {
        stdio: 'ignore',
      })

    test('kill -9 at any moment: the next run leaves no snapshot and no run that is alive loses its own', async () => {
      const container = fresh('container')
      const began = performance.now()
      await json(...backup(source, container))
      const whole = performance.now() - began
      let left = 0
      for (let kill = 0; kill < 40; kill++) {
        const child = start(container)
        await pause((whole * (kill + 0.5)) / 40)
        await end(child)
        left = Math.max(left, snapshotsOn(system.path).length)
      }
      assert.ok(left > 0, 'no kill left a snapshot: this proves nothing')
      const result = await json(...backup(source, container))
      assert.equal(result['unread'], 0)
      assert.deepEqual(snapshotsOn(system.path), [])
      assert.deepEqual(contents(await restored(container)), contents(source))
    })

    test('runs beside each other leave the snapshots of each other alone', async () => {
      const containers = Array.from({ length: 4 }, () => fresh('container'))
      const results = await Promise.all(containers.map((container) => json(...backup(source, container))))
      assert.deepEqual(
        results.map((result) => [result['unread'], result['changed'], result['entries']]),
        containers.map(() => [0, 0, 201]),
      )
      assert.deepEqual(snapshotsOn(system.path), [])
    })

    test('a signal at any moment leaves no snapshot', async () => {
      const began = performance.now()
      await json(...backup(source, fresh('container')))
      const whole = performance.now() - began
      const statuses = new Set<number | null>()
      for (let stop = 0; stop < 15; stop++) {
        const child = start(fresh('container'))
        await pause(whole * (0.3 + (0.7 * stop) / 15))
        child.kill('SIGINT')
        statuses.add(await statusOf(child))
        assert.deepEqual(snapshotsOn(system.path), [], `stopped at ${stop} of 15`)
      }
      assert.ok(statuses.has(130))
    })

    test('a storage that fails leaves no snapshot', async () => {
      const file = fresh('file')
      fs.writeFileSync(file, '')
      const ended = await freezer(...backup(source, path.join(file, 'below')))
      assert.notEqual(ended.status, 0)
      assert.deepEqual(snapshotsOn(system.path), [])
    })

    test('a snapshot that is removed while it is read is a failed backup', async () => {
      const large = volume()
      fs.writeFileSync(path.join(large, 'large'), Buffer.alloc(24 * 2 ** 20, 'x'))
      const slow = ['--upload-limit', '4M', '--compression', 'none', '--max-segment-size', '1M']
      const words = backup(large, fresh('container'), ...slow)
      const child = spawn(process.execPath, [programFile, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      while (snapshotsOn(system.path).length === 0 && child.exitCode === null) await pause(10)
      await pause(2500)
      const [name = ''] = fs.readdirSync(system.path).filter((one) => one.startsWith('.freezer-snapshot'))
      btrfs('subvolume', 'delete', path.join(system.path, name))
      assert.equal(await statusOf(child), 13, said)
      assert.match(said, /was removed while it was read/)
    })
  })
}
