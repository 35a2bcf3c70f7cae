// How long the program takes to start, with all plugins installed; the commands take turns:
//   node bench/startup.ts [--runs 20]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PROGRAM } from './peers/freezer.ts'
import { median } from './results.ts'

/** Median wall milliseconds by command. */
export type Startup = Readonly<Record<string, number>>

/** Runs every command `runs` times, in turns, after once to warm the caches. Throws when one fails. */
export function measureStartup(runs: number): Startup {
  const scratch = mkdtempSync(join(tmpdir(), 'freezer-startup-'))
  const container = join(scratch, 'container')
  const setup = [
    PROGRAM,
    'backup',
    fileURLToPath(import.meta.url),
    '--container',
    container,
    '-N',
    'one',
    '--quiet',
  ]
  const commands: Record<string, string[]> = {
    'node -e 0': ['-e', '0'],
    'freezer --version': [PROGRAM, '--version'],
    'freezer --help': [PROGRAM, '--help'],
    'freezer list, one backup': [PROGRAM, 'list', '--container', container],
  }
  const taken: Record<string, number[]> = {}
  try {
    timed(setup)
    for (let run = 0; run <= runs; run++) {
      for (const [name, args] of Object.entries(commands)) {
        const milliseconds = timed(args)
        if (run > 0) (taken[name] ??= []).push(milliseconds)
      }
    }
  } finally {
    rmSync(scratch, { recursive: true })
  }
  return Object.fromEntries(Object.entries(taken).map(([name, times]) => [name, median(times)]))
}

function timed(args: readonly string[]): number {
  const start = process.hrtime.bigint()
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`)
  return milliseconds
}

/** As Markdown; the ratio is to a Node that does nothing. */
export function startupTable(startup: Startup): string {
  const nothing = startup['node -e 0'] ?? Number.NaN
  const rows = Object.entries(startup).map(
    ([name, milliseconds]) =>
      `| \`${name}\` | ${milliseconds.toFixed(0)} | ${(milliseconds / nothing).toFixed(1)} |`,
  )
  return ['| Command | Median ms | Times `node -e 0` |', '|---|---|---|', ...rows].join('\n')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '20' } } })
  console.log(startupTable(measureStartup(Number(values.runs))))
}
