// What a container on a server looks like, and what it survives.
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const { signal } = new AbortController()
const content = Buffer.from('content')
const large = Array.from({ length: 32 }, (_, at) => Buffer.alloc(1 << 20, at))
let opened = 0

async function fresh(): Promise<{ path: string; storage: Storage }> {
  const name = `container${opened++}`
  return { path: join(server.home, name), storage: await open(keeper(server, name)) }
}

async function listed(storage: Storage, prefix = ''): Promise<string[]> {
  const blobs = await Array.fromAsync(storage.list(prefix, signal))
  return blobs.map(({ key, size }) => `${key} ${size}`).sort()
}

async function read(storage: Storage, key: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, signal)))
}

const everything = (path: string) => (readdirSync(path, { recursive: true }) as string[]).sort()

test('a container can be copied to a local one and back', async () => {
  const { path, storage } = await fresh()
  const keys = ['a/b', 'x'.repeat(900), `${'y'.repeat(250)}/${'z'.repeat(300)}.w`, '%2E', 'a.b/c']
  for (const key of keys) await storage.put(key, [Buffer.from(key)], signal)
  await storage.close?.()
  const copy = join(server.directory, 'copy')
  cpSync(path, copy, { recursive: true })
  const options = checkOptions(local.options, { container: copy })
  const here = await local.open(options, quietContext(), { create: false })
  assert.deepEqual(await listed(here), keys.map((key) => `${key} ${key.length}`).sort())
  for (const key of keys) assert.equal((await read(here, key)).toString(), key)
  await here.put('more/blobs', [content], signal)
  cpSync(copy, path, { recursive: true })
  const again = await open(keeper(server, path), false)
  assert.deepEqual(await listed(again), await listed(here))
  await again.close?.()
})

test('a blob is a file that its owner alone may read, and removal takes the directories that it empties', async () => {
  const { path, storage } = await fresh()
  for (const key of ['a/b/c/d', 'a/b/e', 'f/g']) await storage.put(key, [content], signal)
  assert.equal(statSync(join(path, 'a/b/e')).mode & 0o777, 0o600)
  assert.equal(statSync(join(path, 'a')).mode & 0o777, 0o700)
  await storage.remove('a/b/c/d', signal)
  assert.deepEqual(everything(path), ['.tmp', 'a', 'a/b', 'a/b/e', 'f', 'f/g'])
  await storage.remove('a/b/e', signal)
  await storage.remove('f/g', signal)
  assert.deepEqual(everything(path), ['.tmp'])
  await storage.close?.()
})

test('nothing is left of a put that fails or is aborted', async () => {
  const { path, storage } = await fresh()
  await storage.put('file', [content], signal)
  await storage.put('directory/x', [content], signal)
  const before = everything(path)
  for (const key of ['file/below', 'directory']) {
    await assert.rejects(storage.put(key, [content], signal), { code: 'refused' }, key)
  }
  for (const milliseconds of [0, 5, 20, 50, 100]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), milliseconds)
    const outcome = await storage.put('new/one', large, controller.signal).then(
      () => 'done',
      (error) => error.code,
    )
    if (outcome === 'done') await storage.remove('new/one', signal)
    else assert.equal(outcome, 'interrupted')
  }
  assert.deepEqual(everything(path), before)
  await storage.close?.()
})

test('puts survive removals that take their directory away', async () => {
  const { path, storage } = await fresh()
  const other = await open(keeper(server, path))
  const churn = async (which: Storage, key: string): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      await which.put(key, [content], signal)
      await which.remove(key, signal)
    }
  }
  await Promise.all([churn(storage, 'a/b/c/x'), churn(other, 'a/b/c/y'), churn(other, 'a/b/z')])
  assert.deepEqual(everything(path), ['.tmp'])
  await storage.close?.()
  await other.close?.()
})

test('what a killed run left is removed after a day, what is being written is not', async () => {
  const { path, storage } = await fresh()
  await storage.put('a', [content], signal)
  await storage.close?.()
  for (const name of ['old', 'new']) writeFileSync(join(path, '.tmp', name), 'x')
  const yesterday = Date.now() / 1000 - 25 * 3600
  utimesSync(join(path, '.tmp/old'), yesterday, yesterday)
  await (await open(keeper(server, path), false)).close?.()
  assert.deepEqual(everything(path), ['.tmp', '.tmp/new', '.tmp/old', 'a'])
  await (await open(keeper(server, path), true)).close?.()
  assert.deepEqual(everything(path), ['.tmp', '.tmp/new', 'a'])
})

test('what is no blob is neither listed nor read', async () => {
  const { path, storage } = await fresh()
  await storage.put('d/blob', [content], signal)
  for (const name of ['lost+found', '.hidden']) mkdirSync(join(path, name))
  for (const name of ['.hidden/x', 'd/.y', 'with space', 'lost+found/z', '~', 'd/a~', 'ä']) {
    writeFileSync(join(path, name), 'x')
  }
  symlinkSync('/etc/hostname', join(path, 'link'))
  symlinkSync('/etc', join(path, 'linked'))
  assert.deepEqual(await listed(storage), ['d/blob 7'])
  for (const key of ['link', 'd', 'linked'])
    await assert.rejects(read(storage, key), { code: 'not-found' }, key)
  for (const key of ['../outside', '.hidden/x', '/etc/passwd']) {
    await assert.rejects(read(storage, key), { code: 'internal' }, key)
    await assert.rejects(storage.put(key, [content], signal), { code: 'internal' }, key)
    await assert.rejects(storage.remove(key, signal), { code: 'internal' }, key)
  }
  await storage.close?.()
})

test('a container that went away is no empty container, nor is one that cannot be read', async () => {
  const { path, storage } = await fresh()
  await storage.put('a/b', [content], signal)
  const other = await fresh()
  await other.storage.put('a/b', [content], signal)
  mkdirSync(join(other.path, 'closed'), { mode: 0 })
  await assert.rejects(listed(other.storage), { code: 'denied' })
  await other.storage.close?.()
  rmSync(path, { recursive: true })
  for (const prefix of ['', 'a/', 'nothing']) {
    await assert.rejects(listed(storage, prefix), { code: 'not-found', message: /no container/ })
  }
  await assert.rejects(storage.put('a/c', [content], signal), { code: 'not-found' })
  assert.ok(!existsSync(path))
  await storage.close?.()
})

test('a file beyond 4 GiB is read at its end', async () => {
  const { path, storage } = await fresh()
  await storage.put('big', [content], signal)
  const { truncateSync, openSync, writeSync, closeSync } = await import('node:fs')
  truncateSync(join(path, 'big'), 5 * 2 ** 30)
  const fd = openSync(join(path, 'big'), 'r+')
  writeSync(fd, 'the end', 5 * 2 ** 30 - 7)
  closeSync(fd)
  const end = storage.get('big', { offset: 5 * 2 ** 30 - 7, length: 100 }, signal)
  assert.equal(Buffer.concat(await Array.fromAsync(end)).toString(), 'the end')
  await storage.close?.()
})

test('a server that permits one session a connection is enough', async () => {
  await using narrow = await startSshd({ lines: ['MaxSessions 1'] })
  const storage = await open(keeper(narrow, 'c'))
  await Promise.all(Array.from({ length: 8 }, (_, at) => storage.put(`k/${at}`, large.slice(0, 2), signal)))
  assert.equal((await listed(storage)).length, 8)
  await storage.close?.()
})
