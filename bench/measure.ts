import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'

const TIME = '/usr/bin/time'
const SAMPLE_EVERY_MS = 200
const PAGE_KIB = 4
const ERROR_LENGTH = 1500

/** What one run of one command took. */
export interface Measured {
  /** Seconds. */
  readonly wall: number
  /** Seconds of user and system time of the command and all that it started and waited for. */
  readonly cpu: number
  /** MiB: the larger of the largest process and of the sum over all processes, sampled. */
  readonly memory: number
  /** One-minute load before the start. */
  readonly load: number
  readonly status: number
  /** The end of what the command said, when it failed. */
  readonly error?: string
}

export interface Command {
  /** For bash, with `pipefail`. */
  readonly line: string
  readonly environment: Readonly<Record<string, string>>
  /** An existing directory for what GNU time and the command itself say. */
  readonly scratch: string
  readonly limitSeconds: number
  readonly signal: AbortSignal
}

/** Runs a command in a session of its own and measures it. A command over its limit is killed and counts as failed. */
export async function measure({
  line,
  environment,
  scratch,
  limitSeconds,
  signal,
}: Command): Promise<Measured> {
  signal.throwIfAborted()
  const report = join(scratch, 'time')
  const said = join(scratch, 'stderr')
  rmSync(report, { force: true })
  const errors = openSync(said, 'w')
  const [load = 0] = loadavg()
  const start = process.hrtime.bigint()
  const args = ['-q', '-o', report, '-f', '%U %S %M', 'bash', '-o', 'pipefail', '-c', line]
  const child = spawn(TIME, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', errors],
    detached: true,
  })
  closeSync(errors)
  const session = child.pid
  if (session === undefined) throw new Error(`${TIME} could not be started: apt-get install time`)

  const kill = (): void => void process.kill(-session, 'SIGKILL')
  const limit = setTimeout(kill, limitSeconds * 1000)
  signal.addEventListener('abort', kill)
  let sampled = 0
  const sampling = setInterval(() => {
    sampled = Math.max(sampled, residentKib(session))
  }, SAMPLE_EVERY_MS)
  const [code] = await once(child, 'exit')
  const wall = Number(process.hrtime.bigint() - start) / 1e9
  clearInterval(sampling)
  clearTimeout(limit)
  signal.removeEventListener('abort', kill)
  signal.throwIfAborted()

  if (code === null)
    return { wall, cpu: 0, memory: 0, load, status: 137, error: `killed after ${limitSeconds} s` }
  const [user = 0, system = 0, largest = 0] = readFileSync(report, 'utf8').trim().split(' ').map(Number)
  const result = {
    wall,
    cpu: user + system,
    memory: Math.max(largest, sampled) / 1024,
    load,
    status: Number(code),
  }
  return code === 0 ? result : { ...result, error: readFileSync(said, 'utf8').slice(-ERROR_LENGTH) }
}

/** Resident memory of all processes of a session; what they share counts for each. proc_pid_stat(5). */
function residentKib(session: number): number {
  let pages = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d/.test(name)) continue
    const [, , , ofSession, ...rest] = statOf(name)
    if (Number(ofSession) === session) pages += Number(rest[17])
  }
  return pages * PAGE_KIB
}

/** The fields that follow the name of the program; none when the process has gone. */
function statOf(process: string): string[] {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
