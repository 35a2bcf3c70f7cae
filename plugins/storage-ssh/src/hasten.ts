import { createSecretKey } from 'node:crypto'
import type { Client } from 'ssh2'

/**
 * Lets the ciphers of `client` keep their keys as key objects. Node looks at a key that is a buffer for longer than it
 * takes to encrypt a packet with it, and ssh2 gives it one for every packet. Looks for members of ssh2 that are not
 * part of its interface, and leaves what it does not find: then it is slower.
 */
export function hasten(client: Client): void {
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

function member(owner: object | undefined, name: string): object | undefined {
  const value: unknown = owner === undefined ? undefined : Reflect.get(owner, name)
  return typeof value === 'object' && value !== null ? value : undefined
}
