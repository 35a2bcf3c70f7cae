/** Names on their way to the C library: byte strings (see `Entry` in the sdk) to bytes that end with a NUL. */

const scratch = Buffer.alloc(4096)

/**
 * `name` as the C library takes it, in a buffer that the next call uses again.
 * A call that takes two names needs a copy of one.
 */
export function nameBytes(name: string): Buffer {
  const length = name.length
  const bytes = length < scratch.length ? scratch : Buffer.alloc(length + 1)
  for (let i = 0; i < length; i++) bytes[i] = name.charCodeAt(i)
  bytes[length] = 0
  return bytes
}
