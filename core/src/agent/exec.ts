/** `freezer-agent --action exec`: runs a command, or several of which each reads what the one before writes. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Context, OptionDeclarations } from '@freezer/sdk'
import { Failure, splitPipeline, throwIfAborted } from '@freezer/sdk'
import { endedOnAbort } from '../child.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const ownOptions = {
  command: { type: 'string', required: true, help: 'What to run, without a shell' },
  dryRun: { type: 'boolean', help: 'Only say what would be run' },
} as const satisfies OptionDeclarations

export const execSpec: CommandSpec<typeof containerOptions, typeof ownOptions> = {
  selectors: containerOptions,
  options: ownOptions,
  providers: () => [],
  kinds: [],
  hooked: true,
}

/** @throws Failure `usage`; `hook` when the last program fails, or one cannot be run; `interrupted` */
export async function exec(
  { options }: Invocation<typeof containerOptions, typeof ownOptions>,
  { signal, report }: Context,
): Promise<Outcome> {
  const programs = splitPipeline(options.command)
  const names = programs.map(([name = '']) => name)
  if (options.dryRun) return { json: { programs: names }, lines: [`Would run ${names.join(' | ')}`] }
  throwIfAborted(signal)
  const children: ChildProcess[] = []
  const stop = (name: NodeJS.Signals) => {
    for (const child of children) child.kill(name)
  }
  using _ = endedOnAbort(stop, signal)
  try {
    const ends = programs.map(([program = '', ...args], at) => {
      const before = children.at(-1)
      const last = at === programs.length - 1
      const child = spawn(program, args, {
        stdio: [
          before === undefined ? 'ignore' : 'pipe',
          last && !options.json ? 'inherit' : 'pipe',
          'inherit',
        ],
      })
      // One that reads no more ends the one before it, as in a shell.
      child.stdin?.on('error', () => before?.stdout?.destroy())
      if (child.stdin !== null) before?.stdout?.pipe(child.stdin)
      if (last) child.stdout?.resume()
      children.push(child)
      return ended(child, program)
    })
    const statuses = await Promise.all(ends)
    throwIfAborted(signal)
    for (const [at, status] of statuses.entries()) {
      if (status === 0) continue
      const message = `${names[at]} ended with ${status ?? 'a signal'}.`
      if (at === statuses.length - 1) throw new Failure('hook', message)
      report({ type: 'log', level: 'warn', message })
    }
    return { json: { programs: names }, lines: [] }
  } finally {
    stop('SIGKILL')
  }
}

/** The exit status; undefined for a signal. */
function ended(child: ChildProcess, program: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Failure('hook', `${program} cannot be run (${error.code ?? 'unknown'}).`, { cause: error })),
    )
    child.on('close', (status) => resolve(status ?? undefined))
  })
}
