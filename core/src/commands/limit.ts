import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import type { Outcome } from '../output/reporter.ts'
import { prefixedOptions } from '../second.ts'

const selectors = {} satisfies OptionDeclarations

const limits = {
  uploadLimit: {
    type: 'bytes',
    min: 0,
    value: 'BYTES',
    help: 'Send no more than that a second; 0: no limit',
  },
  downloadLimit: { type: 'bytes', min: 0, value: 'BYTES', help: 'Fetch no more than that a second' },
} as const satisfies OptionDeclarations

const ownOptions = {
  pid: { type: 'integer', min: 1, value: 'PID', help: 'The same as PID' },
  ...limits,
  ...prefixedOptions('to', limits),
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: () => [],
  kinds: [],
  positional: [
    { label: 'PID', option: 'pid', help: 'Process id of the run; without it, all runs are shown' },
  ],
}

export default class Limit extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Show or change the bandwidth limits of what is running.'
  static override description =
    'A backup, a restore or a copy of yours that runs on this machine, from whichever terminal or timer, goes on with the new ' +
    'limits at once. Limits that are not named stay as they are.'
  static override usage = 'limit [PID] [FLAGS]'
  static override examples = [
    '<%= config.bin %> limit',
    '<%= config.bin %> limit 4711 --upload-limit 5M',
    '<%= config.bin %> limit 4711 --upload-limit 0 --download-limit 0',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, { signal }: Context): Promise<Outcome> {
    const [{ Failure }, { changeLimits, runningRuns }, { limitsOutcome }] = await Promise.all([
      import('@freezer/sdk'),
      import('../running.ts'),
      import('../output/limits.ts'),
    ])
    const { pid, uploadLimit, downloadLimit, toUploadLimit, toDownloadLimit } = options
    const wanted = Object.entries({ uploadLimit, downloadLimit, toUploadLimit, toDownloadLimit }).flatMap(
      ([name, bytes]) => (bytes === undefined ? [] : [[name, bytes === 0 ? null : bytes] as const]),
    )
    if (pid !== undefined) return limitsOutcome([await changeLimits(pid, Object.fromEntries(wanted), signal)])
    if (wanted.length === 0) return limitsOutcome(await runningRuns(signal))
    throw new Failure('usage', 'Which run is meant is not said.', {
      remedy: 'Give its PID: "freezer limit" shows them.',
    })
  }
}
