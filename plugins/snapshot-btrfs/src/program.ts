/** The program `btrfs`: run with a list of arguments, never by a shell. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Failure, type FailureCode, throwIfAborted } from '@freezer/sdk'

/** Services and cron jobs often have a PATH without these, where some systems keep the program. */
const places = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin'

/** More than this of what it says is not kept. */
const outputLimit = 16 * 2 ** 20

/**
 * Runs `btrfs` to its end, also when the signal aborts: what it has begun is done, or not, when this settles.
 * @returns what it printed
 * @throws Failure `plugin` when there is no such program; by what it says: `no-space`, `denied`, `source`; `interrupted`
 */
export async function btrfsProgram(
  words: readonly string[],
  what: string,
  signal: AbortSignal,
): Promise<string> {
  throwIfAborted(signal)
  const PATH = `${process.env['PATH'] ?? ''}:${places}`
  const child = spawn('btrfs', words, { env: { PATH, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < outputLimit) stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < outputLimit) stderr += text
  })
  const kill = (): void => void child.kill()
  signal.addEventListener('abort', kill, { once: true })
  let status: unknown
  try {
    ;[status] = await once(child, 'close')
  } catch (cause) {
    throw new Failure('plugin', 'The program btrfs cannot be started.', {
      remedy: 'Install the package btrfs-progs.',
      cause,
    })
  } finally {
    signal.removeEventListener('abort', kill)
  }
  if (status === 0) return stdout
  throwIfAborted(signal)
  throw refusal(what, stderr)
}

const meanings: readonly (readonly [said: RegExp, code: FailureCode, remedy: string])[] = [
  [/No space left|Disk quota exceeded/, 'no-space', 'Make room on the file system, or raise its quota.'],
  [/Operation not permitted|Permission denied/, 'denied', 'Run it as root.'],
  [
    /Read-only file system/,
    'denied',
    'Name a directory on a writable mount of the same file system with --btrfs-snapshot-dir.',
  ],
]

function refusal(what: string, said: string): Failure {
  const [, code, remedy] = meanings.find(([pattern]) => pattern.test(said)) ?? []
  const line =
    said
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^ERROR: /, '') || 'it does not say why'
  return new Failure(code ?? 'source', `Cannot ${what}: ${line}.`, { remedy })
}
