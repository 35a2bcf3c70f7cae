/** Streams to back up, and targets that streams are restored to. */
import type { StreamSource, StreamTarget } from '@freezer/sdk'
import { noise } from '@freezer/sdk/testing'

/** Bytes that compress to about half, the same for the same seed. */
export function content(size: number, seed = 1): Buffer {
  const bytes = Buffer.from(noise(size, seed))
  for (let at = 0; at < size; at += 4) bytes.fill(seed, at, Math.min(at + 2, size))
  return bytes
}

export interface Watched extends StreamSource {
  /** What became of it. */
  readonly seen: { opened: number; given: number; returned: boolean; aborted: boolean }
}

export interface StreamPlan {
  readonly chunk?: number
  readonly size?: number
  readonly name?: string
  /** Called before chunk `number`, and, with the number after the last, before the end. */
  readonly before?: (number: number, signal: AbortSignal) => unknown
}

/** `bytes` as a source, in chunks that all lie in the same memory. */
export function streamOf(
  bytes: Uint8Array,
  { chunk = 50_000, size, name = 'dump', before }: StreamPlan = {},
): Watched {
  const seen = { opened: 0, given: 0, returned: false, aborted: false }
  const memory = Buffer.alloc(chunk)
  async function* open(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    seen.opened++
    signal.addEventListener('abort', () => {
      seen.aborted = true
    })
    try {
      let number = 0
      for (let at = 0; at < bytes.length; at += chunk) {
        await before?.(number++, signal)
        const part = bytes.subarray(at, at + chunk)
        memory.set(part)
        seen.given += part.length
        yield memory.subarray(0, part.length)
        memory.fill(0xee)
      }
      await before?.(number, signal)
    } finally {
      seen.returned = true
    }
  }
  return { kind: 'stream', name, ...(size === undefined ? {} : { size }), open, seen }
}

/** Takes a stream into memory; `whole` is only there when it ended by itself. */
export class Sink implements StreamTarget {
  readonly kind = 'stream'
  readonly #each: ((taken: number) => unknown) | undefined
  #chunks: Uint8Array[] = []
  taken = 0
  name: string | undefined
  whole: Buffer | undefined

  constructor(each?: (taken: number) => unknown) {
    this.#each = each
  }

  readonly write = async (chunks: AsyncIterable<Uint8Array>, name: string): Promise<void> => {
    this.name = name
    for await (const chunk of chunks) {
      this.#chunks.push(chunk)
      this.taken += chunk.length
      await this.#each?.(this.taken)
    }
    this.whole = Buffer.concat(this.#chunks)
  }
}
