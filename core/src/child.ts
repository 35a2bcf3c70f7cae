/** Programs beside this one: started without a shell, ended with all that they started, their output line by line. */
import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'

export interface Child {
  readonly words: readonly string[]
  /** Where it works; that of this program unless said. */
  readonly directory?: string
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** What it reads from standard input, which then ends. */
  readonly input?: string
  readonly line: (text: string, from: 'stdout' | 'stderr') => void
  /** Ends it. */
  readonly signal: AbortSignal
}

export interface ChildEnd {
  /** Undefined when a signal ended it. */
  readonly status: number | undefined
  readonly signal: NodeJS.Signals | undefined
}

/** Milliseconds from the polite request to end to the one that is not asked. */
const patience = 5000
/** Milliseconds for what is still in the pipes of a program that ended; what it left running may hold them open for ever. */
const rest = 500
/** Characters of a line; what is longer becomes several. */
const longest = 8192

/**
 * Runs a program to its end. It leads a group of processes of its own: an abort ends the whole group, as does the end of this
 * program. What it left running when it ended by itself goes on.
 *
 * @throws what `spawn` says when it cannot be started
 */
export async function runChild({
  words,
  directory,
  environment,
  input,
  line,
  signal,
}: Child): Promise<ChildEnd> {
  const [program = '', ...args] = words
  const child = spawn(program, args, {
    cwd: directory,
    env: environment,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name)
    } catch {
      // It has ended.
    }
  }
  using _ = endedOnAbort(kill, signal)
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, by) => resolve({ status: status ?? undefined, signal: by ?? undefined }))
  })
  // A program need not read what it is told.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  const { stdout, stderr } = child
  const drained = Promise.all([
    stdout === null ? undefined : eachLine(stdout, (text) => line(text, 'stdout')),
    stderr === null ? undefined : eachLine(stderr, (text) => line(text, 'stderr')),
  ])
  const end = await ended
  const enough = setTimeout(() => {
    stdout?.destroy()
    stderr?.destroy()
  }, rest)
  await drained
  clearTimeout(enough)
  return end
}

/**
 * Ends programs when `signal` is aborted: with a polite request, and when that is not heard, without asking. And when this
 * program ends. Disposed when they have ended; what an abort left of them is ended then.
 */
export function endedOnAbort(kill: (name: NodeJS.Signals) => void, signal: AbortSignal): Disposable {
  const last = () => kill('SIGKILL')
  let hard: NodeJS.Timeout | undefined
  const stop = () => {
    kill('SIGTERM')
    hard ??= setTimeout(last, patience)
  }
  process.on('exit', last)
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  return {
    [Symbol.dispose]() {
      signal.removeEventListener('abort', stop)
      process.off('exit', last)
      if (hard === undefined) return
      clearTimeout(hard)
      last()
    },
  }
}

/** Calls `line` for each line, also the last without an end; resolves when the stream is over, however. */
function eachLine(stream: Readable, line: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let text = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      const parts = (text + chunk).split(/\r?\n/)
      text = parts.pop() ?? ''
      for (const part of parts) line(part)
      for (; text.length > longest; text = text.slice(longest)) line(text.slice(0, longest))
    })
    stream.on('error', () => {})
    stream.on('close', () => {
      if (text !== '') line(text)
      resolve()
    })
  })
}
