/** Streams of gzip, bzip2, xz and zlib, decompressed with bounded memory, and given up to where they are damaged. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createGunzip, createInflate } from 'node:zlib'
import { Failure, throwIfAborted } from '@freezer/sdk'
import type { Compression } from './metadata.ts'

type Format = Compression | 'zlib'

/** Deflate makes at most 1032 times as much of what it is given: so this bounds what comes at once. */
const sliceLength = 32 * 1024
const chunkSize = 128 * 1024
/** Enough for every preset of xz, and no more. */
const xzMemory = 256 * 2 ** 20

const magics: Record<Format, Buffer> = {
  gzip: Buffer.from([0x1f, 0x8b, 0x08]),
  bzip2: Buffer.from('BZh'),
  xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
  zlib: Buffer.from([0x78]),
}

/** What every stream of that format begins with. */
export function magicOf(format: Format): Buffer {
  return magics[format]
}

/** @throws Failure `damaged` after what could be read, `plugin` when a program is missing */
export async function* decompressed(
  compressed: AsyncIterable<Uint8Array>,
  format: Format,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const input = begun(compressed, format)
  if (format === 'gzip' || format === 'zlib') yield* inflated(input, format, signal)
  else yield* filtered(input, format, signal)
}

/** @throws Failure `damaged` for a stream of another format, an empty one included */
async function* begun(compressed: AsyncIterable<Uint8Array>, format: Format): AsyncGenerator<Uint8Array> {
  const magic = magicOf(format)
  let head: Uint8Array | undefined = new Uint8Array(0)
  for await (const chunk of compressed) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < magic.length) continue
    if (!magic.equals(head.subarray(0, magic.length))) throw damaged(format, 'it does not begin as such')
    yield head
    head = undefined
  }
  if (head !== undefined) throw damaged(format, 'it ends before it begins')
}

async function* inflated(
  input: AsyncIterable<Uint8Array>,
  format: 'gzip' | 'zlib',
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const inflate = format === 'gzip' ? createGunzip({ chunkSize }) : createInflate({ chunkSize })
  let ready: Uint8Array[] = []
  let failure: Error | undefined
  const ended = new Promise((resolve) => inflate.once('close', resolve))
  inflate.on('data', (chunk: Buffer) => ready.push(chunk))
  inflate.on('error', (error) => {
    failure = error
  })
  function* taken(): Generator<Uint8Array> {
    const chunks = ready
    ready = []
    yield* chunks
    if (failure !== undefined) throw damaged(format, failure.message)
  }
  try {
    for await (const chunk of input) {
      for (let at = 0; at < chunk.length; at += sliceLength) {
        throwIfAborted(signal)
        const slice = chunk.subarray(at, at + sliceLength)
        const written = new Promise<void>((resolve) => inflate.write(slice, () => resolve()))
        // What fails is never called written.
        await Promise.race([written, ended])
        yield* taken()
      }
    }
    inflate.end()
    await ended
    yield* taken()
  } finally {
    inflate.destroy()
    await ended
  }
}

const programs = {
  bzip2: { args: ['-d', '-c'], debianPackage: 'bzip2' },
  xz: { args: ['-d', '-c', '--format=xz', `--memlimit-decompress=${xzMemory}`], debianPackage: 'xz-utils' },
} as const

/** Through a system program: Node has nothing of its own for these. */
async function* filtered(
  input: AsyncIterable<Uint8Array>,
  program: 'bzip2' | 'xz',
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  const { args, debianPackage } = programs[program]
  // Only what finding the program takes: BZIP2, XZ_OPT and the like would change what it does.
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' }
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
  const kill = () => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said = (said + text.toString('utf8')).slice(0, 1000)
  })
  // A program that stops reading says why by its status.
  child.stdin.on('error', () => {})
  const ended = new Promise<{ status: number | null; error?: Error }>((resolve) => {
    child.on('error', (error) => resolve({ status: null, error }))
    child.on('close', (status) => resolve({ status }))
  })
  const fed = feed(child, input, ended)
  fed.catch(kill)
  try {
    yield* child.stdout
    const { status, error } = await ended
    throwIfAborted(signal)
    if (error !== undefined) {
      throw new Failure('plugin', `The program "${program}" is missing or does not run.`, {
        remedy: `Install it: apt-get install ${debianPackage}.`,
        cause: error,
      })
    }
    await fed
    if (status !== 0)
      throw damaged(
        program,
        said
          .split('\n')
          .find((line) => line.trim() !== '')
          ?.trim() ?? 'cut off',
      )
  } finally {
    signal.removeEventListener('abort', kill)
    kill()
    await ended
    await fed.catch(() => {})
  }
}

async function feed(
  { stdin }: { stdin: NodeJS.WritableStream },
  input: AsyncIterable<Uint8Array>,
  ended: Promise<unknown>,
): Promise<void> {
  let isOver = false
  const over = ended.then(() => {
    isOver = true
  })
  for await (const chunk of input) {
    if (isOver) return
    if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain').catch(() => {}), over])
  }
  stdin.end()
}

function damaged(format: string, why: string): Failure {
  return new Failure('damaged', `The archive is damaged: as a stream of ${format}, ${why}.`, {
    remedy: 'Restore another backup, or from another copy of the container.',
  })
}
