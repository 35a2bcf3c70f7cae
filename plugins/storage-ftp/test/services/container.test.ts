// What a container on a server looks like, and what it survives.
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
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
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { keeper, open } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const plain = await startFtpd({ lines: ['FactsAdvertise off', 'AllowOverwrite off'] })
after(() => plain[Symbol.asyncDispose]())
const { signal } = new AbortController()
const content = Buffer.from('content')
let opened = 0

async function fresh(on = server): Promise<{ path: string; storage: Storage }> {
  const name = `container${opened++}`
  return { path: join(on.home, name), storage: await open(keeper(on, name)) }
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
})

test("nothing is left behind by puts and removals, and the container is its owner's alone", async () => {
  const { path, storage } = await fresh()
  await storage.put('a/b/c', [content], signal)
  assert.deepEqual(everything(path), ['.tmp', 'a', 'a/b', 'a/b/c'])
  assert.equal(statSync(path).mode & 0o777, 0o700)
  await storage.remove('a/b/c', signal)
  assert.deepEqual(everything(path), ['.tmp'])
  await storage.close?.()
})

test("in a container that all may read, blobs are their owner's alone", async () => {
  const path = join(server.home, 'open')
  mkdirSync(path, { mode: 0o755 })
  const { uid, gid } = statSync(server.home)
  chownSync(path, uid, gid)
  const storage = await open(keeper(server, 'open'))
  await storage.put('a/b', [content], signal)
  await storage.put('a/c/d', [content], signal)
  for (const name of ['.tmp', 'a', 'a/c']) assert.equal(statSync(join(path, name)).mode & 0o777, 0o700, name)
  assert.equal(statSync(path).mode & 0o777, 0o755)
  await storage.close?.()
})

test('a container lies where the name says: absolute, relative, below the home directory, with odd characters', async () => {
  for (const [name, path] of [
    [join(server.home, 'absolute/deep'), join(server.home, 'absolute/deep')],
    ['relative/deep', join(server.home, 'relative/deep')],
    ['~/tilde', join(server.home, 'tilde')],
    ['a b [c] ü -a', join(server.home, 'a b [c] ü -a')],
    [' begins with a space', join(server.home, ' begins with a space')],
    ['"quoted"', join(server.home, '"quoted"')],
  ] as const) {
    const storage = await open(keeper(server, name))
    await storage.put('d/k', [content], signal)
    assert.ok(existsSync(join(path, 'd/k')), path)
    assert.deepEqual(await listed(storage), ['d/k 7'])
    await storage.close?.()
  }
})

test('what is not a blob is let be', async () => {
  for (const on of [server, plain]) {
    const { path, storage } = await fresh(on)
    await storage.put('blob', [content], signal)
    writeFileSync(join(path, '.hidden'), '')
    writeFileSync(join(path, 'with space'), '')
    symlinkSync(join(path, 'blob'), join(path, 'link'))
    mkdirSync(join(path, 'directory'))
    chmodSync(join(path, 'directory'), 0o777)
    // A name that another program may have given is listed.
    assert.deepEqual(await listed(storage), ['blob 7', 'with space 0'])
    await assert.rejects(read(storage, 'directory'), { code: 'not-found' })
    await assert.rejects(storage.put('directory', [content], signal), { code: 'refused' })
    await assert.rejects(storage.put('blob/below', [content], signal), { code: 'refused' })
    await storage.remove('directory', signal)
    assert.ok(existsSync(join(path, 'directory')))
    assert.deepEqual(readdirSync(join(path, '.tmp')), [])
    await storage.close?.()
  }
})

test('temporary files of a killed run are removed a day later, those of a running one stay', async () => {
  for (const on of [server, plain]) {
    const { path, storage } = await fresh(on)
    await storage.close?.()
    for (const name of ['old', 'new']) {
      writeFileSync(join(path, '.tmp', name), 'half')
      chownSync(join(path, '.tmp', name), statSync(path).uid, statSync(path).gid)
    }
    const twoDays = Date.now() / 1000 - 2 * 86_400
    utimesSync(join(path, '.tmp', 'old'), twoDays, twoDays)
    await (await open(keeper(on, path), false)).close?.()
    assert.deepEqual(readdirSync(join(path, '.tmp')).sort(), ['new', 'old'])
    await (await open(keeper(on, path))).close?.()
    assert.deepEqual(readdirSync(join(path, '.tmp')), ['new'])
  }
})

test('a listing that fails never looks empty', async () => {
  for (const on of [server, plain]) {
    const { path, storage } = await fresh(on)
    for (const key of ['a/b/c', 'd/e']) await storage.put(key, [content], signal)
    for (const mode of [0o000, 0o100, 0o200]) {
      chmodSync(join(path, 'a/b'), mode)
      await assert.rejects(listed(storage), /list|permission/i, `mode ${mode}`)
      await assert.rejects(listed(storage, 'a/b/'), /list|permission/i, `mode ${mode}`)
      assert.deepEqual(await listed(storage, 'd'), ['d/e 7'])
    }
    chmodSync(join(path, 'a/b'), 0o700)
    assert.deepEqual(await listed(storage), ['a/b/c 7', 'd/e 7'])
    renameSync(path, `${path}-gone`)
    for (const prefix of ['', 'd/', 'nothing/']) {
      await assert.rejects(listed(storage, prefix), { code: 'not-found', message: /no container/ })
    }
    renameSync(`${path}-gone`, path)
    await storage.close?.()
  }
})

test('a blob that cannot be read is not one that is not there', async () => {
  const { path, storage } = await fresh()
  await storage.put('a/b', [content], signal)
  chmodSync(join(path, 'a/b'), 0)
  await assert.rejects(read(storage, 'a/b'), { code: 'denied' })
  chmodSync(join(path, 'a'), 0)
  await assert.rejects(read(storage, 'a/b'), { code: 'denied' })
  await assert.rejects(storage.remove('a/b', signal), { code: 'denied' })
  chmodSync(join(path, 'a'), 0o700)
  rmSync(path, { recursive: true })
  await storage.close?.()
})

test('a server that never renames onto a file keeps the old blob when the new one cannot take its place', async () => {
  const { path, storage } = await fresh(plain)
  await storage.put('d/k', [content], signal)
  await storage.put('d/k', [Buffer.from('new')], signal)
  assert.equal((await read(storage, 'd/k')).toString(), 'new')
  chmodSync(join(path, 'd'), 0o500)
  await assert.rejects(storage.put('d/k', [content], signal), { code: 'denied' })
  assert.equal((await read(storage, 'd/k')).toString(), 'new')
  assert.deepEqual(readdirSync(join(path, '.tmp')), [])
  chmodSync(join(path, 'd'), 0o700)
  await storage.close?.()
})

test('a server that permits fewer connections gets fewer', async () => {
  const few = await startFtpd({ lines: ['MaxClientsPerUser 2'] })
  try {
    const storage = await open({ ...keeper(few, 'few'), ftpConnections: 16 })
    const keys = Array.from({ length: 40 }, (_, at) => `d/${at}`)
    await Promise.all(keys.map((key) => storage.put(key, [content], signal)))
    assert.equal((await listed(storage)).length, 40)
    await Promise.all(keys.map((key) => read(storage, key)))
    await storage.close?.()
  } finally {
    await few[Symbol.asyncDispose]()
  }
})
