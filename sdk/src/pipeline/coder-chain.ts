/** A chain of codecs at work on one thread: what is done to a block, whichever thread does it. */
import { hash } from 'node:crypto'
import type { BlockFacts, Codec, CodecSecret, Coder } from '../contracts/codec.ts'
import { Failure } from '../contracts/failures.ts'
import { pooled, release } from '../contracts/memory.ts'
import type { OptionDeclarations } from '../contracts/options.ts'
import { type Plugin, providers } from '../contracts/plugin.ts'

/** Everything needed to open the chain anew: plain data, so that it can cross threads. */
export interface CoderSetup {
  readonly codecs: readonly {
    readonly module: string
    readonly name: string
    readonly options: Readonly<Record<string, unknown>>
    readonly secret: CodecSecret | undefined
  }[]
}

export interface CoderJob {
  readonly verb: 'encode' | 'decode'
  /** Gone afterwards, unless its memory is shared. */
  readonly bytes: Uint8Array
  readonly facts: BlockFacts
  /**
   * Codecs at the beginning of the chain that are left out, so that what they made stays as it is: 0 for blocks as
   * they were before the first one and as they are stored.
   */
  readonly kept: number
  /** Decoding: exactly this many bytes must come out of the whole chain. */
  readonly size: number
  /** Decoding: SHA-256 that the stored bytes must have. */
  readonly digest: Uint8Array | undefined
}

/** A job, and the chain it is for: threads open each chain once. */
export interface CoderOrder {
  readonly chain: number
  readonly setup: CoderSetup
  readonly job: CoderJob
}

export interface CoderDone {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Encoding: SHA-256 of `bytes`. */
  readonly digest: Uint8Array | undefined
}

export interface OpenedCodec {
  readonly coder: Coder
  readonly expansion: (size: number) => number
}

/** Loads the codecs by their modules and opens them. */
export async function openChain(setup: CoderSetup): Promise<readonly OpenedCodec[]> {
  return Promise.all(
    setup.codecs.map(async ({ module, name, options, secret }) => {
      const loaded = (await import(module)) as { default: Plugin }
      const codec = providers(loaded.default, 'codec').find((c) => c.name === name)
      if (codec === undefined) throw new Failure('plugin', `The module of codec ${name} does not hold it.`)
      return openCodec(codec, options, secret)
    }),
  )
}

export async function openCodec(
  codec: Codec,
  options: Readonly<Record<string, unknown>>,
  secret: CodecSecret | undefined,
): Promise<OpenedCodec> {
  const coder = await codec.open(options as Parameters<Codec<OptionDeclarations>['open']>[0], secret)
  return { coder, expansion: codec.expansion }
}

export function runJob(chain: readonly OpenedCodec[], job: CoderJob): CoderDone {
  const done = job.verb === 'encode' ? encode(chain, job) : decode(chain, job)
  release(job.bytes)
  return done
}

function encode(chain: readonly OpenedCodec[], { bytes, facts, kept }: CoderJob): CoderDone {
  let block: Uint8Array = bytes
  for (const { coder } of chain.slice(kept)) block = replace(block, coder.encode(block, facts), bytes)
  const sum = digest(block)
  return { bytes: own(block, bytes), digest: sum }
}

function decode(chain: readonly OpenedCodec[], job: CoderJob): CoderDone {
  const { bytes, facts, kept, size } = job
  if (job.digest !== undefined && !digest(bytes).equals(job.digest)) {
    throw new Failure('damaged', 'A stored block is not what was stored.')
  }
  // The most that may come out of each codec on the way back, so that none can be made to swell.
  const limits: number[] = []
  let limit = size
  for (const { expansion } of chain) {
    limits.push(limit)
    limit += expansion(limit)
  }
  let block: Uint8Array = bytes
  for (let i = chain.length - 1; i >= kept; i--) {
    const opened = chain[i]
    if (opened !== undefined)
      block = replace(block, opened.coder.decode(block, facts, limits[i] ?? size), bytes)
  }
  if (kept === 0 && block.length !== size)
    throw new Failure('damaged', 'A stored block has not the size that was stored.')
  return { bytes: own(block, bytes), digest: undefined }
}

function digest(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** The next stage of a block; the stage before it is done with, unless it is the input or the same memory. */
function replace(before: Uint8Array, after: Uint8Array, input: Uint8Array): Uint8Array {
  if (before.buffer !== input.buffer && before.buffer !== after.buffer) release(before)
  return after
}

/**
 * `block` in a buffer of its own that can be handed to another thread: as it is when it fills most of its buffer,
 * copied when it is a small part of a shared one, or is the input itself.
 */
function own(block: Uint8Array, input: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = block.buffer
  const fills = whole.byteLength > pooled && block.byteLength >= whole.byteLength / 2
  if (fills && whole !== input.buffer && whole instanceof ArrayBuffer) return block as Uint8Array<ArrayBuffer>
  const copy = new Uint8Array(block)
  if (whole !== input.buffer) release(block)
  return copy
}
