/** What `contracts/codec.ts` promises, as checks that any codec can be put through. */
import { readFile, writeFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type { BlockFacts, Codec, CodecSecret, Coder } from '../src/contracts/codec.ts'
import { checkOptions } from '../src/contracts/options.ts'
import type { CodecReply, CodecRequest, CodecThreadData } from './codec-thread.ts'
import { type Check, expect, expectBytes, expectEqual, expectFailure, noise } from './contract.ts'

export interface CodecUnderTest {
  readonly codec: Codec
  /** Values for its options; what is left out has its default. */
  readonly options?: Readonly<Record<string, unknown>>
  /** For codecs of kind `encrypt`; one of the contract's own unless said. */
  readonly secret?: CodecSecret
  /** Milliseconds in which a call in a thread must have come back; 10,000 unless said. */
  readonly patience?: number
}

const mebibyte = 1024 * 1024
const facts: BlockFacts = { backup: noise(16, 7), stream: 'data', number: 5 }
const sizes = [0, 1, 2, 15, 16, 17, 255, 4096, 65_537, mebibyte, 1_200_003]

/** Bytes of memory that decoding with a limit of 1 MiB may take, whatever the block claims. */
const decodeMemory = 40 * mebibyte

/** The checks of the codec contract. */
export function codecContract({
  codec,
  options = {},
  secret,
  patience = 10_000,
}: CodecUnderTest): readonly Check[] {
  const values = checkOptions(codec.options, options)
  const secrets =
    codec.kind === 'encrypt'
      ? (secret ?? { key: noise(32, 3), passphrase: Buffer.from('correct horse battery staple') })
      : undefined
  const open = (): Promise<Coder> => codec.open(values, secrets)
  const checks: Check[] = []
  const check = (name: string, run: () => Promise<void>): void => void checks.push({ name, run })

  const inThread = async (work: (thread: CodecThread) => Promise<void>): Promise<void> => {
    const thread = codecThread(
      { module: codec.module, codec: codec.name, options: values, secret: secrets },
      patience,
    )
    try {
      await work(thread)
    } finally {
      await thread.end()
    }
  }

  check('gives back what was encoded, of any size and content', async () => {
    const coder = await open()
    for (const { name, block } of samples(sizes)) {
      const encoded = coder.encode(block.slice(), facts)
      expectBytes(coder.decode(encoded, facts, block.length), block, name)
    }
  })

  check('grows a block by no more than it says', async () => {
    const coder = await open()
    for (const { name, block } of samples(sizes)) {
      const { length } = coder.encode(block, facts)
      const most = block.length + codec.expansion(block.length)
      expect(length <= most, `${name}: ${length} bytes where at most ${most} were promised`)
    }
  })

  check('leaves the block that it encodes as it is, and keeps none', async () => {
    const coder = await open()
    for (const { name, block } of samples([1, 1000, 200_000])) {
      const given = block.slice()
      const encoded = coder.encode(given, facts)
      expectBytes(given, block, `${name}, after it was encoded`)
      if (encoded.buffer === given.buffer) continue
      given.fill(0xaa)
      expectBytes(
        coder.decode(encoded, facts, block.length),
        block,
        `${name}, after its buffer was used again`,
      )
    }
  })

  check('leaves earlier results as they are', async () => {
    const coder = await open()
    const blocks = [text(5000), noise(5000), new Uint8Array(5000), text(70_000), noise(70_000)]
    const encoded = blocks.map((block, number) => coder.encode(block, { ...facts, number }))
    const copies = encoded.map((bytes) => bytes.slice())
    const decoded = encoded.map((bytes, number) => coder.decode(bytes, { ...facts, number }, 70_000))
    for (const [at, block] of blocks.entries()) {
      expectBytes(encoded[at]!, copies[at]!, `encoded block ${at}, after others`)
      expectBytes(decoded[at]!, block, `decoded block ${at}, after others`)
    }
  })

  check('carries nothing from block to block', async () => {
    const [one, other] = [await open(), await open()]
    const blocks = Array.from({ length: 12 }, (_, at) =>
      at % 2 === 0 ? text(3000 + at) : noise(3000 + at, at),
    )
    const encoded = blocks.map((block, number) =>
      (number % 3 === 0 ? one : other).encode(block, { ...facts, number }),
    )
    const order = [11, 0, 5, 5, 2, 9, 1, 10, 3, 4, 8, 7, 6]
    for (const number of order) {
      const decoded = (number % 2 === 0 ? one : other).decode(encoded[number]!, { ...facts, number }, 4000)
      expectBytes(decoded, blocks[number]!, `block ${number}, by another coder and out of order`)
    }
  })

  check('takes any facts', async () => {
    const coder = await open()
    const block = text(500)
    for (const number of [0, 1, 255, 65_536, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 48]) {
      for (const stream of ['data', 'index'] as const) {
        const its = { backup: noise(16, 1 + (number % 97)), stream, number }
        expectBytes(coder.decode(coder.encode(block, its), its, 500), block, `block ${number} of ${stream}`)
      }
    }
  })

  check('gives no more than the limit', async () => {
    const coder = await open()
    for (const { name, block } of samples([1, 1000, 300_000])) {
      const encoded = coder.encode(block.slice(), facts)
      for (const limit of [0, Math.floor(block.length / 2), block.length - 1]) {
        await expectFailure(
          ['damaged'],
          () => coder.decode(encoded, facts, limit),
          `${name} decoded with a limit of ${limit}`,
        )
      }
    }
  })

  if (codec.kind === 'compress') {
    check('stops a bomb before it has taken the memory', async () => {
      const coder = await open()
      const zeros = new Uint8Array(64 * mebibyte)
      const bomb = coder.encode(zeros, facts).slice()
      zeros.fill(1)
      const before = await peakMemory()
      await expectFailure(['damaged'], () => coder.decode(bomb, facts, mebibyte), 'bomb of 64 MiB')
      const taken = (await peakMemory(false)) - before
      expect(taken < decodeMemory, `decoding with a limit of 1 MiB took ${taken} bytes`)
      // Still in use here, so that its memory was not given back meanwhile.
      expect(zeros[0] === 1, 'unreachable')
    })
  }

  check('works in a thread that loads it by its module', async () => {
    const coder = await open()
    await inThread(async (thread) => {
      for (const { name, block } of samples([0, 1000, mebibyte])) {
        const there = expectReply(await thread.ask({ call: 'encode', block, facts }), name)
        expectBytes(coder.decode(there, facts, block.length), block, `${name}, encoded in a thread`)
        const here = coder.encode(block.slice(), facts).slice()
        const back = await thread.ask({ call: 'decode', block: here, facts, limit: block.length })
        expectBytes(expectReply(back, name), block, `${name}, decoded in a thread`)
      }
    })
  })

  check('says damaged for a damaged block, and never hangs or outgrows the limit', async () => {
    const coder = await open()
    const limit = 65_536
    await inThread(async (thread) => {
      for (const [at, block] of [text(65_536), noise(2000), new Uint8Array(30_000), text(40)].entries()) {
        for (const [what, damaged] of damages(coder.encode(block.slice(), facts).slice(), 40, at + 1)) {
          const reply = await thread.ask({ call: 'decode', block: damaged, facts, limit })
          if ('bytes' in reply) {
            expect(!codec.authenticated, `accepted a block with ${what}`)
            expect(reply.bytes.length <= limit, `gave ${reply.bytes.length} bytes for a block with ${what}`)
          } else {
            expect(
              reply.code === 'damaged',
              `threw ${reply.code ?? ''} ${reply.message} for a block with ${what}`,
            )
          }
        }
      }
    })
  })

  if (codec.authenticated) {
    check('accepts no block with a bit changed', async () => {
      const coder = await open()
      const encoded = coder.encode(text(40), facts).slice()
      for (let bit = 0; bit < encoded.length * 8; bit++) {
        encoded[bit >> 3]! ^= 1 << (bit & 7)
        await expectFailure(['damaged'], () => coder.decode(encoded, facts, 100), `bit ${bit} flipped`)
        encoded[bit >> 3]! ^= 1 << (bit & 7)
      }
      expectBytes(coder.decode(encoded, facts, 100), text(40), 'block with every bit put back')
      for (let length = 0; length < encoded.length; length++) {
        const cut = encoded.slice(0, length)
        await expectFailure(['damaged'], () => coder.decode(cut, facts, 100), `cut to ${length} bytes`)
      }
    })

    check('accepts no block in the place of another', async () => {
      const coder = await open()
      const block = text(1000)
      const encoded = coder.encode(block, facts).slice()
      const others: readonly [string, BlockFacts][] = [
        ['the next number', { ...facts, number: 6 }],
        ['number 0', { ...facts, number: 0 }],
        ['a number 2^32 higher', { ...facts, number: 5 + 2 ** 32 }],
        ['the other stream', { ...facts, stream: 'index' }],
        ['another backup', { ...facts, backup: noise(16, 8) }],
        ['a backup that differs in its last byte', { ...facts, backup: withLastFlipped(facts.backup) }],
      ]
      for (const [what, its] of others) {
        await expectFailure(
          ['damaged'],
          () => coder.decode(encoded.slice(), its, 1000),
          `decoded for ${what}`,
        )
      }
    })
  }

  if (codec.kind === 'encrypt') {
    check('hides what it encrypts, and that two blocks are equal', async () => {
      const coder = await open()
      const block = text(2000)
      // All of one backup: another has a key of its own.
      const places: BlockFacts[] = [
        facts,
        { ...facts, number: 6 },
        { ...facts, number: 5 + 2 ** 32 },
        { ...facts, stream: 'index' },
      ]
      const seen = new Set<string>()
      for (const its of places) {
        const encoded = Buffer.from(coder.encode(block.slice(), its))
        for (let at = 0; at + 16 <= block.length; at += 16) {
          expect(
            encoded.indexOf(block.subarray(at, at + 16)) === -1,
            `the encrypted block shows bytes ${at} to ${at + 16}`,
          )
        }
        for (let at = 0; at + 16 <= encoded.length; at += 16) {
          const piece = encoded.toString('latin1', at, at + 16)
          expect(at < 64 || !seen.has(piece), `equal blocks have equal ciphertext at ${at}`)
          seen.add(piece)
        }
      }
    })

    check('gives nothing to whoever has another key', async () => {
      const block = noise(1000)
      const encoded = (await open()).encode(block.slice(), facts).slice()
      const stranger = await codec.open(values, {
        key: noise(32, 99),
        passphrase: Buffer.from('another passphrase'),
      })
      if (codec.authenticated) {
        await expectFailure(
          ['damaged', 'key'],
          () => stranger.decode(encoded, facts, 1000),
          'decoded with another key',
        )
        return
      }
      try {
        const decoded = stranger.decode(encoded, facts, 1000)
        expect(Buffer.compare(decoded, block) !== 0, 'another key decrypts the block')
      } catch (error) {
        await expectFailure(['damaged', 'key'], () => Promise.reject(error), 'decoded with another key')
      }
    })
  }

  check('declares itself as it is', async () => {
    expect(
      /^[a-z0-9-]+$/.test(codec.name),
      `"${codec.name}" is no name: lower-case letters, digits and - make one`,
    )
    expect(codec.description !== '', 'it has no description')
    expectEqual(
      [codec.expansion(0) >= 0, codec.expansion(mebibyte) <= mebibyte / 8 + 1024],
      [true, true],
      'expansion is not negative and of no more than an eighth of the block',
    )
    const { default: plugin } = await import(codec.module)
    const names: unknown = plugin?.codecs?.map((other: Codec) => other.name)
    expect(
      Array.isArray(names) && names.includes(codec.name),
      `the plugin in ${codec.module} does not hold it`,
    )
  })

  return checks
}

interface CodecThread {
  /** @throws Error when no answer came in time, or the thread died */
  ask(request: CodecRequest): Promise<CodecReply>
  end(): Promise<unknown>
}

function codecThread(workerData: CodecThreadData, patience: number): CodecThread {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./codec-thread.${extension}`, import.meta.url), { workerData })
  return {
    ask(request) {
      const { promise, resolve, reject } = Promise.withResolvers<CodecReply>()
      const timer = setTimeout(() => reject(new Error(`${request.call} hangs`)), patience)
      worker.once('message', resolve).once('error', reject)
      worker.postMessage(request, [])
      return promise.finally(() => {
        clearTimeout(timer)
        worker.off('message', resolve).off('error', reject)
      })
    },
    end: () => worker.terminate(),
  }
}

function expectReply(reply: CodecReply, what: string): Uint8Array {
  expect('bytes' in reply, `${what} in a thread: ${'bytes' in reply ? '' : reply.message}`)
  return reply.bytes
}

function text(size: number): Uint8Array {
  const lines = Array.from({ length: Math.ceil(size / 20) }, (_, at) => `line ${at} of some text\n`)
  return new Uint8Array(Buffer.from(lines.join(''))).slice(0, size)
}

function* samples(of: readonly number[]): Generator<{ name: string; block: Uint8Array }> {
  for (const size of of) {
    yield { name: `${size} bytes of text`, block: text(size) }
    yield { name: `${size} zeros`, block: new Uint8Array(size) }
    yield { name: `${size} random bytes`, block: noise(size, size + 1) }
  }
}

function withLastFlipped(bytes: Uint8Array): Uint8Array {
  const last = bytes.length - 1
  return bytes.with(last, bytes[last]! ^ 1)
}

/** The block with what a bad disk or an attacker may do to it, in about `count` ways of each kind. */
function* damages(block: Uint8Array, count: number, seed: number): Generator<[string, Uint8Array]> {
  const places = new Uint32Array(noise(count * 4, seed).buffer)
  for (const place of places) {
    if (block.length === 0) break
    const at = place % block.length
    yield [`a bit flipped in byte ${at}`, block.with(at, block[at]! ^ (1 << (place % 8)))]
    if (at % 4 === 0) yield [`all but its first ${at} bytes cut`, block.slice(0, at)]
  }
  for (let at = 0; at < Math.min(24, block.length); at++) {
    yield [`byte ${at} set to 255`, block[at] === 255 ? block.with(at, 0) : block.with(at, 255)]
  }
  yield ['nothing in it', new Uint8Array(0)]
  yield ['a byte added', Uint8Array.of(...block.subarray(0, 1), ...block)]
  yield ['noise in its place', noise(5000, seed + 50)]
  yield ['zeros in its place', new Uint8Array(5000)]
}

/** Most bytes of memory that this process held, since the last call with `reset`; 0 where Linux does not say. */
async function peakMemory(reset = true): Promise<number> {
  try {
    if (reset) await writeFile('/proc/self/clear_refs', '5')
    const status = await readFile('/proc/self/status', 'latin1')
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
