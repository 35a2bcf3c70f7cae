import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import type { Contestant } from './peers/contestant.ts'

/** What the runner itself needs. */
const RUNNER = { programs: ['time', 'bash'], packages: ['time', 'bash'] }

function isPresent(program: string): boolean {
  if (isAbsolute(program)) return existsSync(program)
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((directory) => existsSync(join(directory, program)))
}

/** What to do before a contestant, or the runner itself, can work; `undefined` when all is there. */
export function remedyFor(who: Pick<Contestant, 'programs' | 'packages'> = RUNNER): string | undefined {
  if (who.programs.every(isPresent)) return undefined
  return who.packages.length === 0 ? 'npm run build' : `apt-get install ${who.packages.join(' ')}`
}

/** Installs the Debian packages of whatever is not there. Returns the status of apt-get, 0 when nothing was missing. */
export function install(contestants: readonly Contestant[]): number {
  const missing = [RUNNER, ...contestants].filter((who) => remedyFor(who) !== undefined)
  const packages = [...new Set(missing.flatMap((who) => who.packages))]
  if (packages.length === 0) return 0
  return spawnSync('apt-get', ['install', '--yes', ...packages], { stdio: 'inherit' }).status ?? 1
}

/** The first line that a contestant says of its version. */
export function releaseOf(contestant: Contestant): string {
  const place = { source: '', store: '', work: '', target: '', passphrase: '', passphraseFile: '' }
  const { stdout, stderr } = spawnSync('bash', ['-c', contestant.version], {
    encoding: 'utf8',
    env: { ...process.env, ...contestant.environment?.(place) },
  })
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? ''
}
