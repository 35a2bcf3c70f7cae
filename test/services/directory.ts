// What a container that is a directory of a server looks like, and what it survives: tests for each kind of server.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { retrying } from '@freezer/sdk/storages'
import { local } from '@freezer/storage-local'

/** A server whose files programs of this machine see. */
export interface DirectoryServer {
  readonly directory: string
  /** Where its account logs in. */
  readonly home: string
}

const { signal } = new AbortController()
const content = Buffer.from('content')
const large = Array.from({ length: 32 }, (_, at) => Buffer.alloc(1 << 20, at))
/** Longer than a temporary file is let be, in milliseconds. */
const stale = 25 * 3_600_000

/** `key size` of each blob, sorted. */
export async function listed(storage: Storage, prefix = ''): Promise<string[]> {
  const blobs = await Array.fromAsync(storage.list(prefix, signal))
  return blobs.map(({ key, size }) => `${key} ${size}`).sort()
}

export async function read(storage: Storage, key: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, signal)))
}

function everything(directory: string): string[] {
  return (fs.readdirSync(directory, { recursive: true }) as string[]).sort()
}

/** Declares the tests. @param open the storage of a container, whose path is taken as a person writes it */
export function directoryTests(
  server: DirectoryServer,
  open: (container: string, create?: boolean) => Promise<Storage>,
): void {
  let opened = 0
  async function fresh(): Promise<{ directory: string; storage: Storage }> {
    const name = `container${opened++}`
    return { directory: path.join(server.home, name), storage: await open(name) }
  }

  test('a container can be copied to a local one and back', async () => {
    const { directory, storage } = await fresh()
    const keys = ['a/b', 'x'.repeat(900), `${'y'.repeat(250)}/${'z'.repeat(300)}.w`, '%2E', 'a.b/c']
    for (const key of keys) await storage.put(key, [Buffer.from(key)], signal)
    await storage.close?.()
    const copy = `${directory}-copy`
    fs.cpSync(directory, copy, { recursive: true })
    const here = await local.open(checkOptions(local.options, { container: copy }), quietContext(), {
      create: false,
    })
    assert.deepEqual(await listed(here), keys.map((key) => `${key} ${key.length}`).sort())
    for (const key of keys) assert.equal((await read(here, key)).toString(), key)
    await here.put('more/blobs', [content], signal)
    fs.cpSync(copy, directory, { recursive: true })
    giveAway(directory)
    const again = await open(directory, false)
    assert.deepEqual(await listed(again), await listed(here))
    assert.equal((await read(again, 'more/blobs')).toString(), 'content')
    await again.close?.()
  })

  test("a container is its owner's alone, and removal takes the directories that it empties", async () => {
    const { directory, storage } = await fresh()
    assert.equal(fs.statSync(directory).mode & 0o777, 0o700)
    for (const key of ['a/b/c/d', 'a/b/e', 'f/g']) await storage.put(key, [content], signal)
    await storage.remove('a/b/c/d', signal)
    assert.deepEqual(everything(directory), ['.tmp', 'a', 'a/b', 'a/b/e', 'f', 'f/g'])
    await storage.remove('a/b/e', signal)
    await storage.remove('f/g', signal)
    assert.deepEqual(everything(directory), ['.tmp'])
    await storage.put('a/b/c/d', [content], signal)
    assert.deepEqual(await listed(storage), ['a/b/c/d 7'])
    await storage.close?.()
  })

  test("in a container that all may read, blobs are their owner's alone", async () => {
    const directory = path.join(server.home, 'open')
    fs.mkdirSync(directory)
    fs.chmodSync(directory, 0o755)
    const { uid, gid } = fs.statSync(server.home)
    fs.chownSync(directory, uid, gid)
    const storage = await open('open')
    for (const key of ['a/b', 'a/c/d']) await storage.put(key, [content], signal)
    for (const name of ['.tmp', 'a', 'a/c']) {
      assert.equal(fs.statSync(path.join(directory, name)).mode & 0o777, 0o700, name)
    }
    assert.equal(fs.statSync(directory).mode & 0o777, 0o755)
    await storage.close?.()
  })

  test('a container lies where the name says: absolute, relative, below the home directory, with odd characters', async () => {
    for (const [name, place] of [
      [path.join(server.home, 'absolute/deep'), 'absolute/deep'],
      ['relative/deep', 'relative/deep'],
      ['~/tilde', 'tilde'],
      ['~user', '~user'],
      ['a b [c] ü -a', 'a b [c] ü -a'],
      [' begins with a space', ' begins with a space'],
      ['"quoted"', '"quoted"'],
    ] as const) {
      const storage = await open(name)
      await storage.put('d/k', [content], signal)
      assert.ok(fs.existsSync(path.join(server.home, place, 'd/k')), place)
      assert.deepEqual(await listed(storage), ['d/k 7'])
      await storage.close?.()
    }
  })

  test('nothing is left of a put that fails or is aborted', async () => {
    const { directory, storage } = await fresh()
    await storage.put('file', [content], signal)
    await storage.put('directory/x', [content], signal)
    const before = everything(directory)
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
    assert.deepEqual(everything(directory), before)
    await storage.close?.()
  })

  test('puts survive removals that take their directory away', async () => {
    const { directory, storage } = await fresh()
    const other = await open(directory)
    const churn = async (one: Storage, key: string): Promise<void> => {
      // A directory that is gone while it is looked at may be no more than a listing that failed for now.
      const which = retrying(one, quietContext(), { retries: 8, wait: 1, longest: 50 })
      for (let round = 0; round < 40; round++) {
        await which.put(key, [content], signal)
        await which.remove(key, signal)
      }
    }
    await Promise.all([churn(storage, 'a/b/c/x'), churn(other, 'a/b/c/y'), churn(other, 'a/b/z')])
    assert.deepEqual(everything(directory), ['.tmp'])
    await storage.close?.()
    await other.close?.()
  })

  test('what a killed run left is removed after a day by who may write, what is being written is not', async () => {
    const { directory, storage } = await fresh()
    await storage.put('a', [content], signal)
    await storage.close?.()
    for (const name of ['old', 'new']) fs.writeFileSync(path.join(directory, '.tmp', name), 'half')
    giveAway(directory)
    const yesterday = new Date(Date.now() - stale)
    fs.utimesSync(path.join(directory, '.tmp/old'), yesterday, yesterday)
    await (await open(directory, false)).close?.()
    assert.deepEqual(everything(directory), ['.tmp', '.tmp/new', '.tmp/old', 'a'])
    await (await open(directory)).close?.()
    assert.deepEqual(everything(directory), ['.tmp', '.tmp/new', 'a'])
  })

  test('what is no blob is neither listed, read nor removed', async () => {
    const { directory, storage } = await fresh()
    await storage.put('d/blob', [content], signal)
    for (const name of ['lost+found', '.hidden']) fs.mkdirSync(path.join(directory, name))
    for (const name of ['.hidden/x', 'd/.y', 'lost+found/z', '~', 'd/a~', 'with space', 'ä']) {
      fs.writeFileSync(path.join(directory, name), '')
    }
    fs.symlinkSync('/etc', path.join(directory, 'linked'))
    giveAway(directory)
    // A name that another program may have given is listed.
    assert.deepEqual(await listed(storage), ['d/blob 7', 'with space 0', 'ä 0'])
    for (const key of ['d', 'linked', 'nothing', 'd/nothing', 'd/blob/below']) {
      await assert.rejects(read(storage, key), { code: 'not-found' }, key)
    }
    for (const key of ['d', 'linked', 'nothing', 'd/nothing', 'd/blob/below'])
      await storage.remove(key, signal)
    assert.ok(fs.existsSync(path.join(directory, 'd/blob')))
    for (const key of ['../outside', '.hidden/x', '/etc/passwd']) {
      await assert.rejects(read(storage, key), { code: 'internal' }, key)
      await assert.rejects(storage.put(key, [content], signal), { code: 'internal' }, key)
      await assert.rejects(storage.remove(key, signal), { code: 'internal' }, key)
    }
    await storage.close?.()
  })

  test('a listing that fails never looks empty', async () => {
    const { directory, storage } = await fresh()
    for (const key of ['a/b/c', 'd/e']) await storage.put(key, [content], signal)
    for (const mode of [0o000, 0o100, 0o200]) {
      fs.chmodSync(path.join(directory, 'a/b'), mode)
      for (const prefix of ['', 'a/b/']) {
        await assert.rejects(listed(storage, prefix), /list|permission/i, `mode ${mode}, prefix ${prefix}`)
      }
      assert.deepEqual(await listed(storage, 'd'), ['d/e 7'])
    }
    fs.chmodSync(path.join(directory, 'a/b'), 0o700)
    assert.deepEqual(await listed(storage), ['a/b/c 7', 'd/e 7'])
    await storage.close?.()
  })

  test('a container that went away is no empty one, and is not made anew', async () => {
    const { directory, storage } = await fresh()
    await storage.put('a/b', [content], signal)
    fs.renameSync(directory, `${directory}-gone`)
    for (const prefix of ['', 'a/', 'nothing']) {
      await assert.rejects(listed(storage, prefix), { code: 'not-found', message: /no container/ })
    }
    await assert.rejects(storage.put('a/c', [content], signal), { code: 'not-found' })
    assert.ok(!fs.existsSync(directory))
    fs.writeFileSync(directory, 'no directory')
    await assert.rejects(listed(storage), { code: 'not-found', message: /is not a directory/ })
    fs.rmSync(directory)
    await storage.close?.()
  })

  test('a blob that cannot be read or removed is not one that is not there', async () => {
    const { directory, storage } = await fresh()
    await storage.put('a/b', [content], signal)
    fs.chmodSync(path.join(directory, 'a/b'), 0)
    await assert.rejects(read(storage, 'a/b'), { code: 'denied' })
    fs.chmodSync(path.join(directory, 'a'), 0)
    await assert.rejects(read(storage, 'a/b'), { code: 'denied' })
    await assert.rejects(storage.remove('a/b', signal), { code: 'denied' })
    fs.chmodSync(path.join(directory, 'a'), 0o700)
    await storage.close?.()
  })

  test('the old blob stays when the new one cannot take its place', async () => {
    const { directory, storage } = await fresh()
    await storage.put('d/k', [content], signal)
    await storage.put('d/k', [Buffer.from('new')], signal)
    assert.equal((await read(storage, 'd/k')).toString(), 'new')
    fs.chmodSync(path.join(directory, 'd'), 0o500)
    await assert.rejects(storage.put('d/k', [content], signal), { code: 'denied' })
    assert.equal((await read(storage, 'd/k')).toString(), 'new')
    assert.deepEqual(fs.readdirSync(path.join(directory, '.tmp')), [])
    fs.chmodSync(path.join(directory, 'd'), 0o700)
    await storage.close?.()
  })

  test('a file beyond 4 GiB is read at its end', async () => {
    const { directory, storage } = await fresh()
    await storage.put('big', [content], signal)
    const size = 5 * 2 ** 30
    fs.truncateSync(path.join(directory, 'big'), size)
    const fd = fs.openSync(path.join(directory, 'big'), 'r+')
    fs.writeSync(fd, 'the end', size - 7)
    fs.closeSync(fd)
    const end = storage.get('big', { offset: size - 7, length: 100 }, signal)
    assert.equal(Buffer.concat(await Array.fromAsync(end)).toString(), 'the end')
    await storage.close?.()
  })
}

/** Makes everything in `directory` its owner's, for it was this program that put it there. */
function giveAway(directory: string): void {
  const { uid, gid } = fs.statSync(directory)
  for (const name of everything(directory)) fs.lchownSync(path.join(directory, name), uid, gid)
}
