/** What a run shows: events while it goes on, its result, its failure. */

import type { Finding, Progress, ReportedBackup, RunEvent } from '@freezer/sdk'
import { asFailure, exitStatus, toRecord } from '@freezer/sdk'
import type { LostMirror } from '@freezer/sdk/storages'
import type { Sink } from './output.ts'
import { ClosedOutput, Output } from './output.ts'
import { progressLine, Rate } from './progress.ts'
import { jsonLine, visible } from './text.ts'

export interface Presentation {
  /** Results as one JSON object on stdout, events as JSON lines on stderr. */
  readonly json: boolean
  /** Failures alone. */
  readonly quiet: boolean
  /** A bar on a terminal, or JSON lines. */
  readonly progress: boolean
  /** Stacks of failures, and log events of every level. */
  readonly debug: boolean
}

/** Where output goes. */
export interface Screen {
  readonly stdout: Sink
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }
  /** Milliseconds, from any start. */
  readonly now: () => number
}

/** What a command came to. */
export interface Outcome {
  /** One object for `--json`; without the member that `output.list` showed. */
  readonly json: object
  /** Lines for people, below those of `output.list`. */
  readonly lines: readonly string[]
  /** Why the exit status is not 0 though the work was done. */
  readonly failure?: unknown
  /** What was done with each backup, or found, for who watches. */
  readonly backups?: readonly ReportedBackup[]
  /**
   * Of several storages, what is to be done for those that failed, as a sentence; `freezer heal` when not given.
   * @param sound one that did not fail
   */
  readonly catchUp?: (sound: string, lost: readonly LostMirror[]) => string
}

/** What a shell says of a program that wrote to a pipe that nobody reads (128 + SIGPIPE). */
const closedOutputStatus = 141

/** Milliseconds from one progress line to the next: on a terminal, and as JSON. */
const pace = { bar: 100, json: 500 }
const clearLine = '\r\x1b[K'

export class Reporter {
  readonly #presentation: Presentation
  readonly #screen: Screen
  readonly #started: number
  readonly #rate = new Rate()
  /** For what is shown before the work is done. */
  readonly output: Output
  #progress: Progress | undefined
  #shownAt = Number.NEGATIVE_INFINITY
  #barShown = false

  constructor(presentation: Presentation, screen: Screen) {
    this.#presentation = presentation
    this.#screen = screen
    this.#started = screen.now()
    this.output = new Output(presentation, screen.stdout, () => this.#clear())
  }

  /** Shows `event`, if it is one to be shown and not too soon. */
  readonly report = (event: RunEvent): void => {
    const { json, quiet, debug } = this.#presentation
    if (quiet) return
    if (event.type === 'progress') this.#showProgress(event.progress)
    else if (event.type === 'log' && event.level !== 'warn' && !debug) return
    else if (json) this.#line(jsonLine({ type: event.type, ...detailsOf(event) }))
    else if (event.type === 'finding') this.#finding(event.finding)
    else if (event.type === 'log') this.#line(`${event.level}: ${visible(event.message)}`)
    else {
      const { kind, path, message } = event.warning
      this.#line(`${kind}: ${visible(path)}: ${visible(message)}`)
    }
  }

  /** Shows what went wrong beside the work, also when all else is quiet, because no exit status tells of it. */
  readonly warn = (message: string): void => {
    const { json } = this.#presentation
    this.#line(json ? jsonLine({ type: 'log', level: 'warn', message }) : `warn: ${visible(message)}`)
  }

  /** Ends the progress, then shows the result. Returns the exit status. */
  finish({ json, lines, failure }: Outcome): number {
    this.close()
    const whole = failure === undefined ? json : { ...json, failure: toRecord(failure) }
    this.#screen.stdout.write(this.output.end(whole, lines))
    if (failure !== undefined && !this.#presentation.json) this.#explain(failure)
    return failure === undefined ? 0 : exitStatus(failure)
  }

  /**
   * Shows why there is no result. Returns the exit status.
   * @param known what is to be told with `--json` all the same
   */
  fail(error: unknown, known: object = {}): number {
    this.close()
    if (error instanceof ClosedOutput) return closedOutputStatus
    if (this.#presentation.json) {
      this.#screen.stdout.write(this.output.fail({ ...known, failure: toRecord(error) }))
      if (this.#presentation.debug) this.#stack(error)
    } else {
      this.#screen.stdout.write(this.output.fail({}))
      this.#explain(error)
    }
    return exitStatus(asFailure(error))
  }

  /** Takes the bar away; the last progress still goes out as JSON. */
  close(): void {
    if (this.#progress !== undefined && this.#presentation.json) this.#draw(this.#progress)
    this.#progress = undefined
    this.#clear()
  }

  /** Findings are what was asked for: they go where results go. What stays as it is, is only counted. */
  #finding({ action, path, differs }: Finding): void {
    if (action === 'keep') return
    const what = differs.length === 0 ? '' : ` (${differs.join(', ')})`
    this.#above(() =>
      this.#screen.stdout.write(`${action.padEnd(8)} ${visible(path === '' ? '.' : path)}${what}\n`),
    )
  }

  #explain(error: unknown): void {
    const { message, remedy } = asFailure(error)
    const text = [message, remedy].filter((part) => part !== undefined).map(visible)
    this.#screen.stderr.write(`freezer: ${text.join(' ')}\n`)
    if (this.#presentation.debug) this.#stack(error)
  }

  #stack(error: unknown): void {
    for (let one = error; one instanceof Error; one = one.cause) {
      const lines = (one.stack ?? String(one)).split('\n').map(visible)
      this.#screen.stderr.write(`${lines.join('\n')}\n`)
    }
  }

  #showProgress(progress: Progress): void {
    const { json, progress: wanted } = this.#presentation
    if (!wanted || (!json && this.#screen.stderr.isTTY !== true)) return
    this.#progress = progress
    const now = this.#screen.now()
    if (now - this.#shownAt < (json ? pace.json : pace.bar)) return
    this.#shownAt = now
    this.#draw(progress)
    if (json) this.#progress = undefined
  }

  #draw(progress: Progress): void {
    const { stderr, now } = this.#screen
    const seconds = (now() - this.#started) / 1000
    this.#rate.add(progress.bytes, seconds)
    if (this.#presentation.json) {
      const rate = this.#rate.value
      const left =
        progress.total === undefined || rate === undefined || rate <= 0
          ? undefined
          : Math.max(0, progress.total - progress.bytes) / rate
      stderr.write(`${jsonLine({ type: 'progress', ...progress, seconds, rate, left })}\n`)
      return
    }
    stderr.write(
      clearLine + progressLine(progress, this.#rate.value, seconds, Math.max(1, (stderr.columns || 80) - 1)),
    )
    this.#barShown = true
  }

  #line(text: string): void {
    this.#above(() => this.#screen.stderr.write(`${text}\n`))
  }

  /** Writes where the bar is, and draws it again below. */
  #above(write: () => void): void {
    const bar = this.#barShown
    this.#clear()
    write()
    if (bar && this.#progress !== undefined) this.#draw(this.#progress)
  }

  #clear(): void {
    if (this.#barShown) this.#screen.stderr.write(clearLine)
    this.#barShown = false
  }
}

/** What an event says besides its type. */
function detailsOf(event: Exclude<RunEvent, { type: 'progress' }>): object {
  if (event.type === 'warning') return event.warning
  return event.type === 'finding' ? event.finding : event
}
