/** Listings of a container, page by page. */
import { type Answer, fromStatus } from '@freezer/openstack'
import { Failure, isReadableKey, type StoredBlob, throwIfAborted } from '@freezer/sdk'
import type { Account } from './account.ts'
import { noContainer, sendForObject } from './container.ts'
import { isLarge } from './objects.ts'
import { type Place, pathOf } from './place.ts'

/** A page has at most 10,000 objects, unless the operator says otherwise. */
const longestPage = 256 * 1024 * 1024

/** Objects asked for their size at once. */
const sizesAtOnce = 8

interface Listed {
  readonly name: string
  readonly bytes: number
}

/** `Storage.list`. */
export async function* list(
  account: Account,
  place: Place,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredBlob> {
  for await (const page of pages(account, place.container, place.prefix + prefix, signal)) {
    const blobs = page
      .map(({ name, bytes }) => ({ key: name.slice(place.prefix.length), size: bytes }))
      .filter(({ key }) => isReadableKey(key))
    const empty = blobs.filter(({ size }) => size === 0)
    const sizes = new Map<string, number | undefined>()
    for (let at = 0; at < empty.length; at += sizesAtOnce) {
      const some = empty.slice(at, at + sizesAtOnce)
      const found = await Promise.all(some.map(({ key }) => sizeOf(account, place, key, signal)))
      for (const [index, { key }] of some.entries()) sizes.set(key, found[index])
    }
    for (const { key, size } of blobs) {
      throwIfAborted(signal)
      const real = size === 0 ? sizes.get(key) : size
      if (real !== undefined) yield { key, size: real }
    }
  }
}

/**
 * Every object whose name starts with `prefix`, in the order of names. The last page is the one that is empty: how many
 * objects a page has is up to the server.
 */
async function* pages(
  account: Account,
  container: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly Listed[]> {
  for (let marker = ''; ; ) {
    throwIfAborted(signal)
    const query = new URLSearchParams({ format: 'json', ...(prefix === '' ? {} : { prefix }) })
    if (marker !== '') query.set('marker', marker)
    const answer = await account.send(`${pathOf(container)}?${query}`, { method: 'GET' }, signal)
    const page = await readPage(answer, container)
    const [first, last] = [page[0], page.at(-1)]
    if (first === undefined || last === undefined) return
    // Names are in the order of their bytes. A server that begins anew would have no last page.
    if (Buffer.compare(Buffer.from(first.name), Buffer.from(marker)) <= 0) throw notAListing(container)
    yield page
    marker = last.name
  }
}

async function readPage(answer: Answer, container: string): Promise<readonly Listed[]> {
  if (answer.status === 204) {
    await answer.discard()
    return []
  }
  if (answer.status !== 200) {
    await answer.discard()
    throw answer.status === 404
      ? noContainer(container)
      : fromStatus(answer, `list the container ${container}`)
  }
  let read: unknown
  try {
    read = JSON.parse(await answer.text(longestPage))
  } catch (error) {
    if (error instanceof SyntaxError) throw notAListing(container)
    throw error
  }
  if (!Array.isArray(read) || !read.every(isListed)) throw notAListing(container)
  return read
}

function isListed(value: unknown): value is Listed {
  if (typeof value !== 'object' || value === null) return false
  const { name, bytes } = value as { name?: unknown; bytes?: unknown }
  return typeof name === 'string' && name !== '' && Number.isSafeInteger(bytes) && Number(bytes) >= 0
}

function notAListing(container: string): Failure {
  return new Failure(
    'unavailable',
    `What the server gives as listing of the container ${container} is none.`,
    {
      remedy: 'Try again; if it stays so, check the address of the service.',
    },
  )
}

/**
 * The size of an object that is listed as empty: the manifest of a dynamic large object is, whatever the sum of its
 * segments. Undefined for one that is gone by now.
 */
async function sizeOf(
  account: Account,
  { container, prefix }: Place,
  key: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const path = pathOf(container, prefix + key)
  const answer = await sendForObject(account, container, path, { method: 'HEAD' }, signal)
  await answer.discard()
  if (answer.status === 404) return undefined
  if (answer.status >= 300) throw fromStatus(answer, `list ${key}`)
  const length = answer.header('content-length')
  if (length !== undefined) return Number(length)
  const manifest = answer.header('x-object-manifest')
  if (!isLarge(answer) || manifest === undefined) throw notAListing(container)
  // More segments than a page of a listing has: Swift does not add them up.
  const [segments = '', ...rest] = decodeURIComponent(manifest).split('/')
  let size = 0
  for await (const page of pages(account, segments, rest.join('/'), signal)) {
    for (const { bytes } of page) size += bytes
  }
  return size
}
