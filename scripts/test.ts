// Runs the tests: the quick ones of every package and of the whole system; with --long the long proofs; with --services those
// that need real servers, which the tests start.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'

const long = process.argv.includes('--long')
const services = process.argv.includes('--services')
const files = globSync(
  long
    ? ['test/long/*.test.ts']
    : services
      ? ['core/test/services/*.test.ts', 'plugins/*/test/services/*.test.ts']
      : [
          'sdk/test/*.test.ts',
          'core/test/*.test.ts',
          'core/templates/*/test/*.test.ts',
          'lib/*/test/*.test.ts',
          'plugins/*/test/*.test.ts',
          'test/*.test.ts',
        ],
).sort()
if (files.length === 0) {
  console.error('There is no test to run.')
  process.exit(1)
}
const options = [
  '--test',
  `--test-concurrency=${availableParallelism()}`,
  `--test-timeout=${long ? 7_200_000 : 600_000}`,
]
// TypeScript is stripped once, not again for every process and every thread of an engine that is in TypeScript.
const env = { NODE_COMPILE_CACHE: path.resolve('node_modules', '.cache', 'compiled'), ...process.env }
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit', env })
if (long) await import('./reliability.ts')
process.exit(status ?? 1)
