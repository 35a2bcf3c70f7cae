/**
 * How a running program is talked to: over a socket `PID.sock` in a directory of its user, one line of JSON each way. A question
 * `{"limits": {…}}` changes bandwidth limits; every answer has the limits that hold.
 */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Context } from '@freezer/sdk'
import { Failure, type FailureRecord, toRecord } from '@freezer/sdk'
import type { Limits, LimitValues } from './limits.ts'
import { openRuntimeDirectory, runtimeDirectories } from './runtime-directory.ts'

export interface ControlAnswer {
  readonly pid: number
  /** Name of the command that runs. */
  readonly command: string
  /** Milliseconds since 1970. */
  readonly started: number
  readonly limits: LimitValues
  /** Why nothing was changed. */
  readonly failure?: FailureRecord
}

/** Milliseconds after which a run can be talked to: what is over by then needs no socket. */
const patience = 200
/** Characters of a question, and milliseconds that it may take. */
const longestQuestion = 4096
const longestTalk = 5000

/** Lets `limits` be changed from outside until it is disposed. A run goes on without when that is not possible. */
export function listenForLimits(limits: Limits, command: string, context: Context): Disposable {
  const started = context.now()
  let server: Server | undefined
  let path: string | undefined
  const answer = (question: string): ControlAnswer => {
    const about = { pid: process.pid, command, started }
    try {
      limits.change(parseQuestion(question))
      return { ...about, limits: limits.values }
    } catch (error) {
      return { ...about, limits: limits.values, failure: toRecord(error) }
    }
  }
  const unavailable = (error: unknown) =>
    context.report({ type: 'log', level: 'debug', message: `Limits cannot be changed in this run: ${error}` })
  const timer = setTimeout(() => {
    try {
      const socket = join(openRuntimeDirectory(runtimeDirectories()), `${process.pid}.sock`)
      // One of that name is of a process that is gone.
      rmSync(socket, { force: true })
      path = socket
      server = createServer((connection) => talk(connection, answer))
      server.on('error', unavailable)
      server.listen(socket, () => chmodSync(socket, 0o600))
      server.unref()
    } catch (error) {
      unavailable(error)
    }
  }, patience)
  timer.unref()
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      server?.close()
      if (path !== undefined) rmSync(path, { force: true })
    },
  }
}

function talk(connection: Socket, answer: (question: string) => ControlAnswer): void {
  let question = ''
  connection.unref()
  connection.setEncoding('utf8')
  connection.setTimeout(longestTalk, () => connection.destroy())
  connection.on('error', () => connection.destroy())
  connection.on('data', (text: string) => {
    question += text
    if (question.length > longestQuestion) connection.destroy()
    else if (question.endsWith('\n')) connection.end(`${JSON.stringify(answer(question))}\n`)
  })
}

/** @throws Failure `usage` */
function parseQuestion(text: string): LimitValues {
  let question: unknown
  try {
    question = JSON.parse(text)
  } catch (cause) {
    throw new Failure('usage', 'A question is one line of JSON.', { cause })
  }
  const limits = isObject(question) ? (question['limits'] ?? {}) : undefined
  if (!isObject(limits)) throw new Failure('usage', 'A question is {"limits": {…}}.')
  const values: Record<string, number | null> = {}
  for (const [name, value] of Object.entries(limits)) {
    if (value !== null && !(Number.isSafeInteger(value) && Number(value) > 0))
      throw new Failure('usage', 'A limit is a number of bytes, or null.')
    values[name] = value === null ? null : Number(value)
  }
  return values
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
