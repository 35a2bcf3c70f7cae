/** Standard output for what may be more than memory holds: shown as it comes, no faster than it is taken. */
import { Failure, fromSystem } from '@freezer/sdk'
import { jsonLine } from './text.ts'

/** Where it goes: `written` is called when it is there, or cannot be. */
export interface Sink {
  write(data: string | Uint8Array, written?: (error?: Error | null) => void): unknown
}

/** Shows one item of a list: as an object for `--json`, and as a line for people. Await what it returns, if anything. */
export type ShowItem = (json: object, line: string) => Promise<void> | undefined

/** Whoever read standard output has stopped: no failure, and no reason to go on. */
export class ClosedOutput extends Error {}

/** Characters that are collected before they are written. */
const atOnce = 64 * 1024

export class Output {
  readonly #presentation: { readonly json: boolean; readonly quiet: boolean }
  readonly #sink: Sink
  readonly #before: () => void
  #member: string | undefined
  #items = 0
  #text = ''

  /** @param before called before anything is written, to make room on a terminal */
  constructor(
    presentation: { readonly json: boolean; readonly quiet: boolean },
    sink: Sink,
    before: () => void,
  ) {
    this.#presentation = presentation
    this.#sink = sink
    this.#before = before
  }

  /** Begins the one list of a command, which is `member` of its JSON object. */
  list(member: string): ShowItem {
    this.#member = member
    const { json: asJson, quiet } = this.#presentation
    return (json, line) => {
      if (asJson) this.#text += `${this.#items === 0 ? this.#opening() : ','}\n${jsonLine(json)}`
      else if (!quiet) this.#text += `${line}\n`
      this.#items++
      return this.#text.length < atOnce ? undefined : this.#flush()
    }
  }

  /** Bytes as they are. @throws ClosedOutput; Failure when they cannot be written */
  bytes(chunk: Uint8Array): Promise<void> {
    return this.#write(chunk)
  }

  /** What of a list is not written yet, and `rest` as the members after it or the lines below it. */
  end(rest: object, lines: readonly string[]): string {
    const { json: asJson, quiet } = this.#presentation
    if (!asJson) return this.#text + (quiet ? '' : lines.map((line) => `${line}\n`).join(''))
    if (this.#member === undefined) return `${jsonLine(rest)}\n`
    const members = jsonLine(rest).slice(1)
    const list = this.#items === 0 ? `${this.#opening()}]` : `${this.#text}\n]`
    return `${list}${members === '}' ? '' : ','}${members}\n`
  }

  /** Like `end` for a run that failed; a list that has nothing in it is not mentioned. */
  fail(rest: object): string {
    if (this.#items === 0) this.#member = undefined
    return this.end(rest, [])
  }

  #opening(): string {
    return `{${JSON.stringify(this.#member)}:[`
  }

  #flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    return this.#write(text)
  }

  #write(data: string | Uint8Array): Promise<void> {
    this.#before()
    return new Promise((resolve, reject) => {
      this.#sink.write(data, (error) => {
        if (error === undefined || error === null) resolve()
        else if ((error as NodeJS.ErrnoException).code === 'EPIPE') reject(new ClosedOutput())
        else reject(fromSystem(error, 'write to standard output'))
      })
    })
  }
}

/** For a command whose output is bytes. @throws Failure `usage` */
export function refuseJson(json: boolean): void {
  if (!json) return
  throw new Failure('usage', 'The output of this command is data, so it cannot be JSON.', {
    remedy: 'Leave --json out.',
  })
}

/** @throws Failure `usage` when standard output is a terminal */
export function refuseTerminal(): void {
  if (!process.stdout.isTTY) return
  throw new Failure('usage', 'An archive is nothing for a terminal.', {
    remedy: 'Send it to a file (> FILE) or to a program (| PROGRAM).',
  })
}
