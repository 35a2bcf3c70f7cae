/**
 * A codec turns one block of the stream into another and back: it compresses or encrypts. Blocks are bounded
 * (about 1 MiB), each stands alone, so a codec is a pure function over buffers: no state from block to block, no
 * I/O beyond what `open` did, safe on several threads at once, each of which opens its own.
 *
 * The pipeline calls `encode` and `decode` on worker threads, where it loads the codec anew by `module`.
 */
import type { OptionDeclarations, Options } from './options.ts'

/** Where a block stands. A codec that encrypts binds its output to this. */
export interface BlockFacts {
  /** 16 bytes, another for every backup. */
  readonly backup: Uint8Array
  /** A backup has two streams of blocks: the archive, and the index beside it. */
  readonly stream: 'data' | 'index'
  /** Position in its stream, from 0. No two blocks of a backup share stream and number. */
  readonly number: number
}

/** A codec at work, on one thread. */
export interface Coder {
  /**
   * The encoded block. `block` is not kept and not changed; the result may be `block` itself. Its memory may be shared
   * with other threads (a view of a `SharedArrayBuffer`), which leave it alone meanwhile: `node:zlib` and `node:crypto`
   * take that, TextDecoder and WebCrypto want a copy.
   */
  encode(block: Uint8Array, facts: BlockFacts): Uint8Array
  /**
   * The block that was encoded, never more than `limit` bytes, whatever the input claims.
   * @throws Failure `damaged` for input that `encode` did not make for these facts
   */
  decode(block: Uint8Array, facts: BlockFacts, limit: number): Uint8Array
}

export interface CodecSecret {
  /** 32 bytes, another for every backup; wrapped by the repository's key. */
  readonly key: Uint8Array
  /** A passphrase of the person's; only for a codec that says `usesPassphrase`. */
  readonly passphrase: Uint8Array | undefined
}

export interface Codec<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  readonly kind: 'compress' | 'encrypt'
  /** Whether a forged block is recognised by the codec itself. Meaningless for `compress`. */
  readonly authenticated: boolean
  /**
   * Encrypts with the person's passphrase itself, for a format that derives its own key. The repository then keeps that
   * passphrase, readable for whoever can open the container, and there is none with a key file or a recipient.
   */
  readonly usesPassphrase?: boolean
  readonly options: D
  /** `import.meta.url` of a module whose default export is the plugin that holds this codec. */
  readonly module: string
  /** At most this many bytes more than it was given does `encode` return. */
  readonly expansion: (size: number) => number
  /**
   * @param secret given to codecs of kind `encrypt` alone
   * @throws Failure `plugin` when something that the codec needs is not on this machine
   */
  open(options: Options<D>, secret: CodecSecret | undefined): Promise<Coder>
}

/** Declares a codec with the types of its options kept. */
export function declareCodec<const D extends OptionDeclarations>(codec: Codec<D>): Codec<D> {
  return codec
}
