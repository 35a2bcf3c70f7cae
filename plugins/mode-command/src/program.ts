/** A program beside this one: it leads a group of processes, which ends with it, and what it complains of is kept. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { type Context, Failure, type FailureCode, splitCommand } from '@freezer/sdk'

/** How a program is run: the options of this mode. */
export interface ProgramOptions {
  readonly commandDirectory?: string | undefined
  readonly commandSuccess: readonly string[]
  readonly commandTimeout?: number | undefined
}

/** Milliseconds from the request to end to the end. */
const patience = 5_000
/** Lines of its complaints that are told, and that a failure shows; characters of each. */
const toldLines = 200
const shownLines = 5
const longestLine = 500

/** Exit statuses. @throws Failure `usage` */
export function successes(statuses: readonly string[]): ReadonlySet<number> {
  const numbers = statuses.flatMap((one) => one.split(/[\s,]+/)).filter((one) => one !== '')
  for (const one of numbers) {
    if (/^\d{1,3}$/.test(one) && Number(one) <= 255) continue
    throw new Failure('usage', `--command-success: "${one}" is no exit status; write a number up to 255.`)
  }
  return new Set(numbers.map(Number))
}

/** The words of a command; `option` is how it was given. @throws Failure `usage` */
export function wordsOf(option: string, command: string): readonly string[] {
  try {
    return splitCommand(command)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const remedy = 'remedy' in error && typeof error.remedy === 'string' ? error.remedy : undefined
    throw new Failure('usage', `${option}: ${error.message}`, { remedy })
  }
}

/** What Freezer itself is told by the environment is no business of a program that it runs. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FREEZER_')))
}

export interface ProgramPlan extends ProgramOptions {
  readonly words: readonly string[]
  /** Which of its streams is ours. */
  readonly end: 'stdin' | 'stdout'
  /** Of what goes wrong with it. */
  readonly code: FailureCode
}

export class Program implements AsyncDisposable {
  readonly #plan: ProgramPlan
  readonly #child: ChildProcess
  readonly #name: string
  readonly #success: ReadonlySet<number>
  readonly #context: Context
  readonly #ended: Promise<Failure | undefined>
  readonly #complaints: string[] = []
  #complained = 0
  #timeout: NodeJS.Timeout | undefined
  #late = false
  #over = false

  /** Starts it. Its end is what `end` says. */
  constructor(plan: ProgramPlan, context: Context) {
    this.#plan = plan
    this.#context = context
    const [program = '', ...args] = plan.words
    this.#name = program
    this.#success = successes(plan.commandSuccess)
    try {
      this.#child = spawn(program, args, {
        cwd: plan.commandDirectory,
        env: environment(),
        stdio: [plan.end === 'stdin' ? 'pipe' : 'ignore', plan.end === 'stdout' ? 'pipe' : 'ignore', 'pipe'],
        detached: true,
      })
    } catch (error) {
      throw this.#unstarted(error as NodeJS.ErrnoException)
    }
    process.on('exit', this.kill)
    const heard = this.#listen()
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error: NodeJS.ErrnoException) => {
        if (this.#child.pid === undefined) resolve(this.#unstarted(error))
      })
      this.#child.on('exit', (status, signal) => {
        this.#over = true
        // What it left running may hold its pipe open.
        void Promise.race([heard, delay(500)]).then(() => resolve(this.#judge(status, signal)))
      })
    })
    if (plan.commandTimeout !== undefined) {
      const late = (): void => {
        this.#late = true
        void this.stop()
      }
      // Node takes a longer one for none.
      this.#timeout = setTimeout(late, Math.min(plan.commandTimeout, 2 ** 31 - 1))
    }
  }

  get stdout(): Readable {
    return present(this.#child.stdout)
  }

  get stdin(): Writable {
    return present(this.#child.stdin)
  }

  /** Resolves when it has ended: with why that was no success. */
  end(): Promise<Failure | undefined> {
    return this.#ended
  }

  /** Asks the whole group to end, and ends it when it does not. Resolves when the program has ended. */
  async stop(): Promise<void> {
    this.#signal('SIGTERM')
    const hard = setTimeout(this.kill, patience)
    await this.#ended
    clearTimeout(hard)
    this.kill()
    // Whoever left the group may go on writing.
    this.#child.stdout?.destroy()
  }

  /** Ends the whole group at once. */
  readonly kill = (): void => this.#signal('SIGKILL')

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timeout)
    if (!this.#over) await this.stop()
    process.off('exit', this.kill)
    this.#child.stdin?.destroy()
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  #signal(name: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, name)
    } catch {
      // All of it has ended.
    }
  }

  #unstarted(error: NodeJS.ErrnoException): Failure {
    this.#over = true
    const why = error.code === 'ENOENT' ? 'it is not there' : (error.code ?? error.message)
    return new Failure(this.#plan.code, `The program "${this.#name}" cannot be started: ${why}.`, {
      remedy: 'Check the command and its working directory.',
      cause: error,
    })
  }

  #judge(status: number | null, signal: NodeJS.Signals | null): Failure | undefined {
    if (!this.#late && status !== null && this.#success.has(status)) return undefined
    const how = this.#late
      ? `took longer than ${Math.ceil((this.#plan.commandTimeout ?? 0) / 1000)} s`
      : signal === null
        ? `ended with status ${status}`
        : `was ended by ${signal}`
    const said = this.#complaints.map((line) => `"${line}"`).join(', ')
    const last = said === '' ? '' : ` and said ${said}`
    return new Failure(this.#plan.code, `The program "${this.#name}" ${how}${last}.`, {
      remedy: 'Run the command by itself to see what it says.',
      facts: { status: status ?? undefined, signal: signal ?? undefined },
    })
  }

  /** Tells what it complains of, line by line, and keeps the last of it. Resolves when it can say no more. */
  #listen(): Promise<void> {
    const { stderr } = this.#child
    return new Promise((resolve) => {
      if (stderr === null) return resolve()
      let text = ''
      stderr.setEncoding('utf8')
      stderr.on('data', (chunk: string) => {
        const parts = (text + chunk).split(/\r?\n/)
        text = (parts.pop() ?? '').slice(0, longestLine)
        for (const part of parts) this.#line(part)
      })
      stderr.on('error', () => {})
      stderr.on('close', () => {
        this.#line(text)
        resolve()
      })
    })
  }

  #line(text: string): void {
    const line = text.slice(0, longestLine).trimEnd()
    if (line === '') return
    this.#complaints.push(line)
    if (this.#complaints.length > shownLines) this.#complaints.shift()
    this.#complained++
    if (this.#complained > toldLines + 1) return
    const message =
      this.#complained > toldLines ? `${this.#name}: and more, which is not shown` : `${this.#name}: ${line}`
    this.#context.report({ type: 'log', level: 'warn', message })
  }
}

function present<T>(stream: T | null): T {
  if (stream === null) throw new Error('This end of the program was not asked for.')
  return stream
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds).unref())
}
