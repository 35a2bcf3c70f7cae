/** npm, run as the person would run it: with their registry, their proxy and their credentials. */
import type { FailureCode } from '@freezer/sdk'
import { Failure, throwIfAborted } from '@freezer/sdk'
import { runChild } from '../child.ts'

/** What npm calls its failures, and what they mean here. All else is `plugin`. */
const codes: Readonly<Record<string, FailureCode>> = {
  E404: 'not-found',
  ENOENT: 'not-found',
  ETARGET: 'not-found',
  ENOTFOUND: 'unavailable',
  EAI_AGAIN: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  ETIMEDOUT: 'unavailable',
  ENOTCACHED: 'unavailable',
  E401: 'denied',
  E403: 'denied',
  EACCES: 'denied',
  ENOSPC: 'no-space',
}

/** Lines of npm's own words that are kept: its failures come last. */
const linesKept = 200

/** Lines of them that a failure repeats. */
const linesShown = 4

/**
 * Runs npm in `directory` to its end.
 *
 * @param what for the message, as in "install left-pad"
 * @throws Failure `not-found`, `unavailable`, `denied`, `no-space`, `plugin`, `interrupted`
 */
export async function npm(
  directory: string,
  words: readonly string[],
  what: string,
  signal: AbortSignal,
): Promise<void> {
  throwIfAborted(signal)
  const said: string[] = []
  const { status } = await runChild({
    words: ['npm', '--no-audit', '--no-fund', '--loglevel=error', ...words],
    directory,
    line(text, from) {
      if (from === 'stderr' && said.push(text) > linesKept) said.shift()
    },
    signal,
  }).catch((error: NodeJS.ErrnoException) => {
    throw new Failure('plugin', `Cannot ${what}: npm cannot be run (${error.code}).`, {
      remedy: 'Install npm; it comes with Node.',
      cause: error,
    })
  })
  if (status === 0) return
  throwIfAborted(signal)
  throw failureOf(said, what)
}

function failureOf(said: readonly string[], what: string): Failure {
  const lines = said
    .map((line) => /^npm (?:error|ERR!)\s*(.*)$/.exec(line)?.[1] ?? '')
    .filter((line) => line !== '' && !line.includes('complete log of this run'))
  const code = lines.map((line) => /^code (\w+)$/.exec(line)?.[1]).find((found) => found !== undefined) ?? ''
  // npm puts the code before each line of its words.
  const mark = code.replace(/^E(?=\d)/, '').toLowerCase()
  const words = lines
    .filter((line) => !/^(?:code|errno|syscall) /.test(line))
    .map((line) => (line.split(' ', 1)[0] === mark ? line.slice(mark.length).trim() : line))
    .filter((line) => line !== '')
    .slice(0, linesShown)
  return new Failure(codes[code] ?? 'plugin', `Cannot ${what}: npm says: ${words.join(' ') || code}`, {
    remedy: 'Check the name, and "npm config get registry".',
    facts: code === '' ? {} : { npm: code },
  })
}
