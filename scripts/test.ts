// Runs the tests: the quick ones of every package and of the whole system; with --long the long proofs; with --services those
// that need real servers, which the tests start.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'

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
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit' })
if (long) await import('./reliability.ts')
process.exit(status ?? 1)
