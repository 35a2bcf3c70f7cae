import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { openContainer } from '../src/container.ts'
import plugin, { local } from '../src/index.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-local-'))
after(() => rm(scratch, { recursive: true }))

const { signal } = new AbortController()
const content = Buffer.from('content')
let opened = 0

async function fresh(): Promise<{ path: string; storage: Storage }> {
  const path = join(scratch, `container${opened++}`)
  return { path, storage: await openContainer(path, { create: true, now: Date.now() }) }
}

async function keys(storage: Storage, prefix = ''): Promise<string[]> {
  const blobs = await Array.fromAsync(storage.list(prefix, signal))
  return blobs.map(({ key }) => key).sort()
}

async function read(storage: Storage, key: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, signal)))
}

/** Every file and directory in `path`, hidden ones included. */
async function everything(path: string): Promise<string[]> {
  return (await readdir(path, { recursive: true })).sort()
}

/** Lets a process mount what no other sees. */
const namespace = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])]

interface RunOptions {
  /** Milliseconds after its first output when it is killed. */
  readonly kill?: number
  readonly namespace?: boolean
}

/** Runs a program in a process of its own, with `open` and `path` at hand, and gives what it printed. */
async function run(path: string, program: string, options: RunOptions = {}): Promise<string> {
  const url = new URL('../src/container.ts', import.meta.url).href
  const source = `
    import { openContainer } from ${JSON.stringify(url)}
    const path = ${JSON.stringify(path)}
    const open = () => openContainer(path, { create: true, now: Date.now() })
    const { signal } = new AbortController()
    const codeOf = (promise) => promise.then(() => 'done', (error) => error.code)
    ${program}`
  const command = [process.execPath, '--input-type=module', '--eval', source]
  if (options.namespace === true) command.unshift('unshare', ...namespace)
  const [file = '', ...args] = command
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (printed === '' && options.kill !== undefined) setTimeout(() => child.kill('SIGKILL'), options.kill)
    printed += text
  })
  await once(child, 'close')
  return printed.trim()
}

test('the plugin provides what its package.json says', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(manifest.freezer.provides, { storage: plugin.storages.map(({ name }) => name) })
})

test('opens by its options, and makes the container with its parents only when told to', async () => {
  const container = join(scratch, 'deep/er/container')
  const options = checkOptions(local.options, { container })
  await assert.rejects(local.open(options, quietContext(), { create: false }), { code: 'not-found' })
  assert.equal((await readdir(scratch)).includes('deep'), false)
  const storage = await local.open(options, quietContext(), { create: true })
  await storage.put('a', [content], signal)
  const again = await local.open(options, quietContext(), { create: false })
  assert.deepEqual(await read(again, 'a'), content)
  assert.throws(() => checkOptions(local.options, {}), { code: 'usage' })
})

test('a container that is a file is refused', async () => {
  const path = join(scratch, 'file')
  await writeFile(path, '')
  for (const create of [true, false]) {
    await assert.rejects(openContainer(path, { create, now: 0 }), {
      code: 'not-found',
      message: /not a directory/,
    })
  }
})

test('a blob is a file under its key that its owner alone may read', async () => {
  const { path, storage } = await fresh()
  await storage.put('a/b', [content], signal)
  assert.deepEqual(await everything(path), ['.tmp', 'a', 'a/b'])
  assert.equal((await stat(join(path, 'a/b'))).mode & 0o777, 0o600)
  assert.equal((await stat(join(path, 'a'))).mode & 0o777, 0o700)
})

test('what was put or removed is on the disk before it is said to be', async (t) => {
  const { path, storage } = await fresh()
  const probe = await open(path)
  const prototype: FileHandle = Object.getPrototypeOf(probe)
  await probe.close()
  const original = prototype.sync
  const synced: string[] = []
  t.mock.method(prototype, 'sync', async function sync(this: FileHandle) {
    const real = await readlink(`/proc/self/fd/${this.fd}`)
    const stored = (await everything(path)).filter((name) => name.endsWith('blob'))
    synced.push(`${relative(path, real).replace(/[0-9a-f-]{36}$/, 'temporary')}, stored: ${stored}`)
    await original.call(this)
  })
  await storage.put('a/b/blob', [content], signal)
  assert.deepEqual(synced.splice(0), [
    ', stored: ',
    '.tmp/temporary, stored: ',
    ', stored: ',
    'a, stored: ',
    'a/b, stored: a/b/blob',
  ])
  await storage.put('a/b/blob', [content], signal)
  assert.deepEqual(synced.splice(0), ['.tmp/temporary, stored: a/b/blob', 'a/b, stored: a/b/blob'])
  await storage.put('a/blob', [content], signal)
  synced.splice(0)
  await storage.remove('a/b/blob', signal)
  assert.deepEqual(synced.splice(0), ['a, stored: a/blob'])
})

test('removal takes the directories that it empties, and no others', async () => {
  const { path, storage } = await fresh()
  for (const key of ['a/b/c/d', 'a/b/e', 'f/g']) await storage.put(key, [content], signal)
  await storage.remove('a/b/c/d', signal)
  assert.deepEqual(await everything(path), ['.tmp', 'a', 'a/b', 'a/b/e', 'f', 'f/g'])
  await storage.remove('a/b/e', signal)
  await storage.remove('f/g', signal)
  assert.deepEqual(await everything(path), ['.tmp'])
  await storage.put('a/b/c/d', [content], signal)
  assert.deepEqual(await keys(storage), ['a/b/c/d'])
})

test('nothing is left of a put that fails or is aborted', async () => {
  const { path, storage } = await fresh()
  await storage.put('file', [content], signal)
  await storage.put('directory/x', [content], signal)
  const before = await everything(path)
  for (const key of ['file/below', 'directory']) {
    await assert.rejects(storage.put(key, [content], signal), { code: 'refused' }, key)
  }
  const large = Array.from({ length: 20 }, () => Buffer.alloc(1024 * 1024))
  for (const milliseconds of [0, 1, 2, 4, 8]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), milliseconds)
    const outcome = await storage.put('new/one', large, controller.signal).then(
      () => 'done',
      (error) => error.code,
    )
    if (outcome === 'done') await storage.remove('new/one', signal)
    else assert.equal(outcome, 'interrupted')
  }
  assert.deepEqual(await everything(path), before)
})

test('puts survive removals that take their directory away', async () => {
  const { path, storage } = await fresh()
  const other = await openContainer(path, { create: false, now: Date.now() })
  const churn = async (which: Storage, key: string): Promise<void> => {
    for (let round = 0; round < 100; round++) {
      await which.put(key, [content], signal)
      await which.remove(key, signal)
    }
  }
  await Promise.all([churn(storage, 'a/b/c/x'), churn(other, 'a/b/c/y'), churn(other, 'a/b/z')])
  assert.deepEqual(await everything(path), ['.tmp'])
})

test('what a killed run left is removed after a day, what is being written is not', async () => {
  const { path, storage } = await fresh()
  await storage.put('a', [content], signal)
  await writeFile(join(path, '.tmp/old'), 'x')
  await writeFile(join(path, '.tmp/new'), 'x')
  const now = Date.now()
  await utimes(join(path, '.tmp/old'), (now - 25 * 3_600_000) / 1000, (now - 25 * 3_600_000) / 1000)
  await openContainer(path, { create: false, now })
  assert.deepEqual(await everything(path), ['.tmp', '.tmp/new', '.tmp/old', 'a'])
  await openContainer(path, { create: true, now })
  assert.deepEqual(await everything(path), ['.tmp', '.tmp/new', 'a'])
})

test('what is no blob is neither listed nor read', async () => {
  const { path, storage } = await fresh()
  await storage.put('d/blob', [content], signal)
  await writeFile(join(scratch, 'outside'), 'secret')
  await mkdir(join(path, 'lost+found'))
  await mkdir(join(path, '.hidden'))
  for (const name of ['.hidden/x', 'd/.y', 'with space', 'lost+found/z', '~', 'd/a~', 'ä']) {
    await writeFile(join(path, name), 'x')
  }
  await symlink(join(scratch, 'outside'), join(path, 'link'))
  await symlink('nowhere', join(path, 'dangling'))
  await symlink('loop', join(path, 'loop'))
  await symlink(scratch, join(path, 'linked'))
  const fifo = spawn('mkfifo', [join(path, 'fifo')])
  await once(fifo, 'close')
  // What may be another program's is listed; what its name forbids to be anybody's, or is no file, is not.
  assert.deepEqual(await keys(storage), ['d/blob', 'with space', 'ä'])
  for (const key of ['link', 'dangling', 'loop', 'fifo', 'd', 'linked']) {
    await assert.rejects(read(storage, key), { code: 'not-found' }, key)
  }
  for (const prefix of ['.', '..', '../', '/', 'd/.', 'd//', '.hidden/']) {
    assert.deepEqual(await keys(storage, prefix), [], prefix)
  }
  for (const key of ['../outside', '.hidden/x', '/etc/passwd']) {
    await assert.rejects(read(storage, key), { code: 'internal' }, key)
    await assert.rejects(storage.put(key, [content], signal), { code: 'internal' }, key)
    await assert.rejects(storage.remove(key, signal), { code: 'internal' }, key)
  }
})

test('a container that went away is no empty container', async () => {
  const { path, storage } = await fresh()
  await storage.put('a/b', [content], signal)
  await rename(path, `${path}-away`)
  for (const prefix of ['', 'a/', 'nothing']) {
    await assert.rejects(keys(storage, prefix), { code: 'not-found', message: /no container/ })
  }
  await assert.rejects(storage.put('a/c', [content], signal), { code: 'not-found' })
  await assert.rejects(stat(path), { code: 'ENOENT' })
})

test('a blob that is cut while it is read is a failure, never a short answer', async () => {
  const { path, storage } = await fresh()
  await storage.put('k', [Buffer.alloc(4 * 1024 * 1024)], signal)
  await assert.rejects(
    async () => {
      for await (const _ of storage.get('k', undefined, signal)) await truncate(join(path, 'k'), 1024 * 1024)
    },
    { code: 'damaged' },
  )
})

test('killed at any moment of a put, a container lists whole blobs alone', async () => {
  for (const kill of [0, 1, 2, 3, 5, 8, 12, 20, 30, 50]) {
    const { path, storage } = await fresh()
    await run(
      path,
      `const storage = await open()
       console.log('ready')
       for (let k = 0; ; k++) await storage.put('p' + k % 3 + '/k' + k, Array(12).fill(Buffer.alloc(1 << 20, k + 1)), signal)`,
      { kill },
    )
    for (const key of await keys(storage)) {
      const blob = await read(storage, key)
      assert.equal(blob.length, 12 << 20)
      assert.ok(blob.every((byte) => byte === (blob[0] ?? 0)))
    }
    await rm(path, { recursive: true })
  }
})

test('whoever may not read or write is told so, never shown an empty container', async () => {
  const { path, storage } = await fresh()
  await chmod(scratch, 0o755)
  await storage.put('a/b', [content], signal)
  const attempt = (call: string): Promise<string> =>
    run(
      path,
      // Root may do anything, so its process becomes nobody; anyone else is kept out by the modes alone.
      `if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }
       const opening = openContainer(path, { create: ${call.startsWith('put')}, now: 0 })
       const list = (storage) => Array.fromAsync(storage.list('', signal))
       const get = (storage) => Array.fromAsync(storage.get('a/b', undefined, signal))
       const put = (storage) => storage.put('x/y', [Buffer.alloc(5)], signal)
       const remove = (storage) => storage.remove('a/b', signal)
       console.log(await codeOf(opening.then(${call})))`,
    )
  const directory = join(path, 'a')
  await chmod(path, 0)
  for (const call of ['list', 'get', 'put', 'remove']) assert.equal(await attempt(call), 'denied', call)
  await chmod(path, 0o755)
  await chmod(directory, 0)
  for (const call of ['list', 'get', 'remove']) assert.equal(await attempt(call), 'denied', call)
  await chmod(directory, 0o755)
  await chmod(join(directory, 'b'), 0)
  assert.equal(await attempt('get'), 'denied')
  assert.equal(await attempt('list'), 'done')
  await chmod(join(directory, 'b'), 0o600)
  await chmod(directory, 0o555)
  await rm(join(path, '.tmp'), { recursive: true })
  await chmod(path, 0o555)
  for (const call of ['put', 'remove']) assert.equal(await attempt(call), 'denied', call)
  await chmod(path, 0o755)
  await chmod(directory, 0o755)
  assert.deepEqual(await everything(path), ['a', 'a/b'])
})

test('a full disk is no-space, a read-only one is denied, and nothing is left on either', async (t) => {
  const path = join(scratch, 'small')
  await mkdir(path)
  const probe = spawn('unshare', [...namespace, 'mount', '-t', 'tmpfs', 'none', path], { stdio: 'ignore' })
  const [status] = await once(probe, 'close')
  if (status !== 0) return t.skip('this machine lets nobody mount a file system')
  const printed = await run(
    path,
    `import { execFileSync } from 'node:child_process'
     import { readdirSync } from 'node:fs'
     const mount = (options) => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', path])
     const state = () => console.log(readdirSync(path, { recursive: true }).sort().join(' '))
     const put = async (key, size) =>
       console.log(key, await codeOf((await open()).put(key, [Buffer.alloc(size), Buffer.alloc(size)], signal)))
     mount('size=2m,nr_inodes=8')
     await put('d/old', 200_000)
     await put('d/large', 1_000_000)
     await put('e/large', 5_000_000)
     state()
     await put('d/old', 900_000)
     await put('d/small', 200_000)
     await put('f/g/h/i/j', 10)
     state()
     execFileSync('mount', ['-o', 'remount,bind,ro', path])
     await put('d/new', 10)
     console.log('remove', await codeOf((await open()).remove('d/old', signal)))
     console.log('list', (await Array.fromAsync((await open()).list('', signal))).length)
     state()`,
    { namespace: true },
  )
  assert.deepEqual(printed.split('\n'), [
    'd/old done',
    'd/large no-space',
    'e/large no-space',
    '.tmp d d/old',
    'd/old no-space',
    'd/small done',
    'f/g/h/i/j no-space',
    '.tmp d d/old d/small',
    'd/new denied',
    'remove denied',
    'list 2',
    '.tmp d d/old d/small',
  ])
})
