/** The runs of this user that can be talked to. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Failure, fromRecord, throwIfAborted } from '@freezer/sdk'
import type { ControlAnswer } from './control.ts'
import type { LimitValues } from './limits.ts'
import { expectPrivate, runtimeDirectories } from './runtime-directory.ts'

/** Milliseconds in which a run answers: its main thread may be busy. */
const longestWait = 10_000
/** Characters of an answer. */
const longestAnswer = 64 * 1024

/** What every run of this user says of itself. Sockets of runs that were killed are removed. */
export async function runningRuns(signal: AbortSignal): Promise<readonly ControlAnswer[]> {
  const sockets = runtimeDirectories()
    .filter((directory) => existsSync(directory))
    .flatMap((directory) => {
      expectPrivate(directory)
      return readdirSync(directory)
        .filter((name) => /^\d+\.sock$/.test(name))
        .map((name) => join(directory, name))
    })
  const answers = await Promise.all(sockets.map((socket) => ask(socket, {}, signal)))
  return answers.filter((answer) => answer !== undefined).sort((a, b) => a.started - b.started)
}

/**
 * Changes limits of the run with the process id `pid`.
 * @throws Failure `not-found` when there is none, `usage` for a limit that it does not have, `unavailable`
 */
export async function changeLimits(
  pid: number,
  limits: LimitValues,
  signal: AbortSignal,
): Promise<ControlAnswer> {
  for (const directory of runtimeDirectories()) {
    const socket = join(directory, `${pid}.sock`)
    if (!existsSync(socket)) continue
    expectPrivate(directory)
    const answer = await ask(socket, limits, signal)
    if (answer?.failure !== undefined) throw fromRecord(answer.failure)
    if (answer !== undefined) return answer
  }
  throw new Failure('not-found', `No run of yours with the process id ${pid} has limits.`, {
    remedy: 'See which there are with "freezer limit"; one that began just now can be asked in a moment.',
  })
}

/** What the run behind `socket` answers; undefined when there is none any more. */
async function ask(
  socket: string,
  limits: LimitValues,
  signal: AbortSignal,
): Promise<ControlAnswer | undefined> {
  throwIfAborted(signal)
  const { promise, resolve, reject } = Promise.withResolvers<ControlAnswer | undefined>()
  let text = ''
  const silent = () =>
    reject(new Failure('unavailable', `The run behind ${socket} does not answer.`, { remedy: 'Try again.' }))
  const connection = connect({ path: socket, signal: AbortSignal.any([signal]) })
  connection.setEncoding('utf8')
  connection.setTimeout(longestWait, silent)
  connection.on('connect', () => connection.write(`${JSON.stringify({ limits })}\n`))
  connection.on('data', (part: string) => {
    text += part
    if (text.length > longestAnswer) silent()
  })
  connection.on('end', () => {
    try {
      resolve(JSON.parse(text) as ControlAnswer)
    } catch {
      // It ended meanwhile.
      resolve(undefined)
    }
  })
  connection.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') rmSync(socket, { force: true })
    resolve(undefined)
  })
  try {
    const answer = await promise
    throwIfAborted(signal)
    return answer
  } finally {
    connection.destroy()
  }
}
