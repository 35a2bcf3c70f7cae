/** Commands of the person before and after a run: what they are told, how long they have, and what their failure means. */
import type { RunReport } from '@freezer/sdk'
import { Failure, isFailure, splitCommand, throwIfAborted } from '@freezer/sdk'
import { type ChildEnd, runChild } from './child.ts'
import type { HookOptions } from './options.ts'
import type { Outcome } from './output/reporter.ts'
import { jsonLine } from './output/text.ts'
import type { WatchedRun } from './watch.ts'
import { beginningOf, reportOf } from './watch.ts'

/** Around one run. */
export interface RunHooks {
  /** @throws Failure `hook`, `interrupted`: the work must not begin */
  before(): Promise<void>
  /** Runs the others, whatever happened before, and also when the run was interrupted. Throws nothing. */
  after(end: RunEnd): Promise<RunEnd>
}

/** What a run came to: an outcome, or a failure without one. */
export type RunEnd = { readonly outcome: Outcome } | { readonly failure: unknown }

const kinds = ['before', 'after', 'onFailure'] as const
type Kind = (typeof kinds)[number]

const spoken: Record<Kind, string> = { before: 'before', after: 'after', onFailure: 'on-failure' }

/**
 * The hooks of a run; undefined when there are none, or they must not run: a dry run changes nothing, and a run that a hook
 * started has none of its own, lest it start itself for ever.
 *
 * @throws Failure `usage` for a command that is none
 */
export function runHooks(run: WatchedRun, options: HookOptions): RunHooks | undefined {
  const commands = new Map<Kind, string[]>()
  for (const kind of kinds) {
    const text = options[kind]
    if (text !== undefined) commands.set(kind, words(kind, text))
  }
  if (commands.size === 0) return undefined
  const { dryRun } = run.invocation.options as Readonly<Record<string, unknown>>
  const why =
    dryRun === true ? 'a dry run' : process.env.FREEZER_HOOK === undefined ? undefined : 'within a hook'
  if (why !== undefined) {
    const message = `The commands before and after the run are left out: this is ${why}.`
    run.context.report({ type: 'log', level: 'info', message })
    return undefined
  }
  let begun = false
  const call = async (kind: Kind, told: object, known: Record<string, unknown>, stop?: AbortSignal) => {
    const command = commands.get(kind)
    if (command !== undefined)
      await hook({ run, kind, command, told, known, stop, limit: options.hookTimeout })
  }
  return {
    async before() {
      throwIfAborted(run.context.signal)
      begun = true
      await call('before', beginningOf(run), {}, run.context.signal)
    },
    async after(end) {
      if (!begun) return end
      let now = end
      for (const kind of ['after', 'onFailure'] as const) {
        if (kind === 'onFailure' && failureOf(now) === undefined) break
        const report = reportOf(run, 'outcome' in now ? now.outcome : now)
        const result = 'outcome' in now ? now.outcome.json : undefined
        try {
          await call(kind, { ...report, result }, variables(report))
        } catch (error) {
          now = failed(now, error, run.warn)
        }
      }
      return now
    },
  }
}

function failureOf(end: RunEnd): unknown {
  return 'outcome' in end ? end.outcome.failure : end.failure
}

/** `end` with the failure of a hook: a run that failed already keeps its own. */
function failed(end: RunEnd, error: unknown, warn: (message: string) => void): RunEnd {
  if ('outcome' in end && end.outcome.failure === undefined) {
    return { outcome: { ...end.outcome, failure: error } }
  }
  warn(isFailure(error) ? [error.message, error.remedy].filter(Boolean).join(' ') : String(error))
  return end
}

/** @throws Failure `usage` with the name of the option */
function words(kind: Kind, text: string): string[] {
  try {
    return splitCommand(text)
  } catch (error) {
    if (!isFailure(error)) throw error
    throw new Failure(error.code, `--${spoken[kind]}: ${error.message}`, { remedy: error.remedy })
  }
}

/** What of a report stands in the environment of a hook. None of the names is that of an option. */
function variables({ outcome, exitStatus, failure, backups = [] }: RunReport): Record<string, unknown> {
  const all = (fact: string) => {
    const found = backups.flatMap(({ facts }) => facts[fact] ?? [])
    return found.length === 0 ? undefined : found.join(' ')
  }
  return {
    OUTCOME: outcome,
    EXIT_STATUS: exitStatus,
    FAILURE: failure?.code,
    FAILURE_MESSAGE: failure?.message,
    BACKUP_ID: all('id'),
    BACKUP_LEVEL: all('level'),
    BACKUP_TIME: all('time'),
  }
}

interface HookCall {
  readonly run: WatchedRun
  readonly kind: Kind
  readonly command: readonly string[]
  /** What it reads as JSON. */
  readonly told: object
  readonly known: Record<string, unknown>
  /** What else ends it, beside the time. */
  readonly stop: AbortSignal | undefined
  /** Milliseconds. */
  readonly limit: number
}

/** @throws Failure `hook` */
async function hook({ run, kind, command, told, known, stop, limit }: HookCall): Promise<void> {
  const name = spoken[kind]
  const log = (level: 'info' | 'warn', message: string) =>
    run.context.report({ type: 'log', level, message: `${name}: ${message}` })
  const [program = ''] = command
  log('info', `runs ${program}`)
  const over = new AbortController()
  // Unlike that of AbortSignal.timeout, this timer keeps the program alive for a hook that waits for nothing.
  const timer = setTimeout(() => over.abort(), limit)
  try {
    const end = await runChild({
      words: command,
      environment: { ...inherited(), ...environmentOf(run, name, known) },
      input: `${jsonLine(told)}\n`,
      line: (text, from) => log(from === 'stderr' ? 'warn' : 'info', text),
      signal: AbortSignal.any([over.signal, ...(stop === undefined ? [] : [stop])]),
    })
    if (stop !== undefined) throwIfAborted(stop)
    if (over.signal.aborted)
      throw new Failure('hook', `The ${name} command took longer than ${limit / 1000} seconds.`, {
        remedy: 'Give it more time with --hook-timeout.',
      })
    if (end.status !== 0)
      throw new Failure('hook', `The ${name} command ${program} ${ending(end)}.`, {
        remedy: 'Run it by itself, or this with --debug, to see all that it prints.',
      })
  } catch (error) {
    if (isFailure(error)) throw error
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new Failure('hook', `The ${name} command ${program} cannot be run (${code}).`, {
      remedy: code === 'ENOENT' ? 'Give the whole path of a program that is there.' : undefined,
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}

function ending({ status, signal }: ChildEnd): string {
  return signal === undefined ? `ended with ${status}` : `was ended by ${signal}`
}

/** This program's environment without what would give a run of the hook these hooks. */
function inherited(): NodeJS.ProcessEnv {
  const { FREEZER_BEFORE: _b, FREEZER_AFTER: _a, FREEZER_ON_FAILURE: _f, ...rest } = process.env
  return rest
}

function environmentOf(run: WatchedRun, hookName: string, known: Record<string, unknown>): NodeJS.ProcessEnv {
  const { id, command, subject, invocation } = run
  const facts = {
    HOOK: hookName,
    RUN_ID: id,
    RUN_COMMAND: command,
    RUN_STORAGE: invocation.options.storage,
    RUN_NAME: subject.name,
    RUN_HOST: subject.host,
    ...known,
  }
  // A name or a message can hold no byte 0 that the system would take.
  return Object.fromEntries(
    Object.entries(facts).flatMap(([key, value]) =>
      value === undefined ? [] : [[`FREEZER_${key}`, String(value).replaceAll('\0', '')]],
    ),
  )
}
