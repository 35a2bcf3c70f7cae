/** Memory given back at once, where waiting for the garbage collector would pile it up. */

/** Buffers up to this many bytes may come from a pool that Node shares among many. */
export const pooled = 64 * 1024

/**
 * Frees the memory behind `bytes`, all of it; every view of it is empty afterwards. A thread may pile up 64 MiB of dead
 * buffers before V8 looks for them, because their bytes are outside of its heap. For large buffers that nobody
 * else has; pooled ones are left alone.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength > pooled && !buffer.detached) buffer.transfer(0)
}
