/** The log of a run: a file, the system's log, or both. What goes wrong with it is a warning, and stops no backup. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import type { RunEvent } from '@freezer/sdk'
import { asFailure, Failure, fromSystem } from '@freezer/sdk'
import type { Outcome } from './output/reporter.ts'
import { visible } from './output/text.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly logFile: string | undefined
  readonly useSyslog: boolean
  readonly debug: boolean
}

/** Where lines of a log go. */
interface Destination {
  line(level: Level, text: string): void
  close(): Promise<void>
}

export interface Log {
  event(event: RunEvent): void
  warn(message: string): void
  /** The last words, after which nothing else is logged. Throws nothing. */
  end(status: number, result: Pick<Outcome, 'lines' | 'backups'> | undefined, failure: unknown): Promise<void>
}

/**
 * Opens the log of a run of `command`; undefined when none is wanted.
 *
 * @param warn called once when a destination fails
 * @throws Failure when the file cannot be opened
 */
export function openLog(
  command: string,
  { logFile, useSyslog, debug }: LogOptions,
  warn: (message: string) => void,
): Log | undefined {
  const destinations = [
    ...(logFile === undefined ? [] : [fileLog(logFile, warn)]),
    ...(useSyslog ? [systemLog(warn)] : []),
  ]
  if (destinations.length === 0) return undefined
  const write = (level: Level, message: string) => {
    if (level === 'debug' && !debug) return
    for (const destination of destinations) destination.line(level, `${command}: ${visible(message)}`)
  }
  write('info', 'began')
  return {
    event(event) {
      if (event.type === 'log') write(event.level, event.message)
      else if (event.type === 'warning') {
        const { kind, path, message } = event.warning
        write('warn', `${kind}: ${path}: ${message}`)
      }
    },
    warn: (message) => write('warn', message),
    async end(status, result, failure) {
      // What a command shows on request (listings) is no event.
      for (const line of result?.backups === undefined ? [] : result.lines) write('info', line)
      if (failure !== undefined) {
        const { message, remedy } = asFailure(failure)
        write('error', remedy === undefined ? message : `${message} ${remedy}`)
      }
      write('info', `ended with exit status ${status}`)
      await Promise.all(destinations.map((destination) => destination.close()))
    },
  }
}

/** Appends; a line is one write, so that several programs can share a file. */
function fileLog(file: string, warn: (message: string) => void): Destination {
  const fail = (error: unknown) => fromSystem(error, `write the log file ${file}`)
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'a', 0o640)
  } catch (error) {
    const { code, message } = fail(error)
    throw new Failure(code, message, { remedy: 'Give another --log-file.', cause: error })
  }
  return {
    line(level, text) {
      if (descriptor === undefined) return
      try {
        writeSync(descriptor, `${new Date().toISOString()} ${process.pid} ${level.toUpperCase()} ${text}\n`)
      } catch (error) {
        closeSync(descriptor)
        descriptor = undefined
        warn(`${fail(error).message} The log ends here.`)
      }
    },
    async close() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

/** Severities of syslog (RFC 5424, section 6.2.1), of the facility "daemon". */
const severities: Record<Level, number> = { error: 3, warn: 4, info: 6, debug: 7 }
const daemon = 3

/** Milliseconds for the last lines. */
const patience = 5000

/** By way of the program `logger`, because Node cannot write to a datagram socket of the file system. */
function systemLog(warn: (message: string) => void): Destination {
  const words = ['--tag', 'freezer', '--socket-errors=on', `--id=${process.pid}`, '--prio-prefix']
  const child = spawn('logger', words, { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  let failed = false
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, 200)
  })
  const ended = new Promise<void>((resolve) => {
    const stop = (why: string | undefined) => {
      if (why !== undefined && !failed) warn(`Nothing more is written to the system's log: ${visible(why)}`)
      failed ||= why !== undefined
      resolve()
    }
    child.on('error', (error) => stop(fromSystem(error, 'start the program logger').message))
    child.on('close', (status) =>
      stop(status === 0 ? undefined : said.trim() || `logger ended with ${status}.`),
    )
  })
  child.stdin.on('error', () => {})
  return {
    line(level, text) {
      if (!failed) child.stdin.write(`<${daemon * 8 + severities[level]}>${text}\n`)
    },
    async close() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill(), patience)
      await ended
      clearTimeout(timer)
    },
  }
}
