/** A system program as a filter over a block: `bzip2` and `xz`, for which Node has nothing of its own. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { Failure } from '@freezer/sdk'

/** Only what finding the program takes: `BZIP2`, `XZ_OPT` and the like would change what it does. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C' }
}

/** What a program may say on its standard error before it is stopped. */
const talk = 64 * 1024

/**
 * Makes sure that `program` can be run.
 *
 * @param debianPackage named in the remedy
 * @throws Failure `plugin`
 */
export function requireProgram(program: string, debianPackage: string): void {
  const { error, status } = spawnSync(program, ['--help'], { stdio: 'ignore', env: environment() })
  if (error === undefined && status === 0) return
  throw new Failure('plugin', `The program "${program}" is missing or does not run.`, {
    remedy: `Install it: apt-get install ${debianPackage}.`,
    facts: { program },
    cause: error,
  })
}

/** What a filter made of its input, or why it made nothing of it. */
export type Filtered = { readonly bytes: Uint8Array } | { readonly refused: string }

/**
 * Pipes `input` through `program`, stopped with SIGKILL as soon as it gives more than `limit` bytes.
 * A program that only warns has refused too: `bzip2` warns of what follows its data.
 *
 * @throws Failure `plugin` when the program cannot be run or was killed by someone else
 */
export function filter(program: string, args: readonly string[], input: Uint8Array, limit: number): Filtered {
  const run = spawnSync(program, args, {
    input,
    maxBuffer: limit + talk,
    killSignal: 'SIGKILL',
    env: environment(),
  })
  const code = (run.error as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOBUFS') return { refused: `it unpacks to more than ${limit} bytes` }
  if (run.error !== undefined && code !== 'EPIPE') throw unusable(program, `cannot be run (${code})`, run)
  if (run.signal !== null) throw unusable(program, `was stopped by ${run.signal}`, run)
  if (run.status !== 0 || run.stderr.length > 0) return { refused: `${program} does not accept it` }
  if (run.stdout.length > limit) return { refused: `it unpacks to more than ${limit} bytes` }
  return { bytes: run.stdout }
}

function unusable(program: string, what: string, run: SpawnSyncReturns<Buffer>): Failure {
  return new Failure('plugin', `The program "${program}" ${what}.`, { facts: { program }, cause: run.error })
}
