/**
 * What makes ssh2 faster. All of it reaches for members of ssh2 that are not part of its interface, so this package takes one
 * version of ssh2 alone; what is not found is left as it is, and then it is slower.
 */
import { createSecretKey } from 'node:crypto'
import type { Client } from 'ssh2'

/** Bytes of memory that is worth freeing. Smaller pieces may be of a pool that Node shares among many. */
const large = 64 * 1024

/**
 * Lets the ciphers of `client` keep their keys as key objects: Node looks at a key that is a buffer for longer than it takes
 * to encrypt a packet with it, and ssh2 gives it one for every packet. For after each exchange of keys.
 */
export function keepKeys(client: Client): void {
  const protocol = member(client, '_protocol')
  for (const [cipher, key] of [
    ['_cipher', '_encKey'],
    ['_decipher', '_decipherKey'],
  ] as const) {
    const owner = member(protocol, cipher)
    const bytes = member(owner, key)
    if (owner !== undefined && Buffer.isBuffer(bytes)) Reflect.set(owner, key, createSecretKey(bytes))
  }
}

/**
 * Frees each large request of `client` once the last of it lies in packets. ssh2 copies a request together in memory of its
 * own, and V8 would look through all of its heap for every 20 MB or so of such memory that nobody has any more: that took as
 * long as encrypting and sending did.
 */
export function freeRequests(client: Client): void {
  const protocol = member(client, '_protocol')
  const send = protocol === undefined ? undefined : Reflect.get(protocol, 'channelData')
  if (protocol === undefined || typeof send !== 'function') return
  Reflect.set(protocol, 'channelData', (channel: number, data: unknown) => {
    Reflect.apply(send, protocol, [channel, data])
    if (!(data instanceof Uint8Array)) return
    const { buffer, byteOffset, byteLength } = data
    const isLast = byteOffset + byteLength === buffer.byteLength
    if (isLast && buffer instanceof ArrayBuffer && buffer.byteLength > large) buffer.transfer(0)
  })
}

function member(owner: object | undefined, name: string): object | undefined {
  const value: unknown = owner === undefined ? undefined : Reflect.get(owner, name)
  return typeof value === 'object' && value !== null ? value : undefined
}
