import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const { storage, uploadLimit, downloadLimit, retries } = containerOptions
const selectors = { storage, uploadLimit, downloadLimit, retries } satisfies OptionDeclarations

const ownOptions = {
  create: { type: 'boolean', help: 'Make the container when it is not there; it stays' },
  testBytes: {
    type: 'bytes',
    default: 32 * 2 ** 20,
    min: 1,
    max: 2 ** 40,
    value: 'BYTES',
    help: 'So much is sent and fetched to see how fast that is',
  },
  testObjects: {
    type: 'integer',
    default: 1050,
    min: 1,
    max: 100_000,
    value: 'N',
    help: 'Objects of a long listing: more than one page of the service has, which is 1000 for most',
  },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage: name }) => [{ kind: 'storage', name }],
  kinds: ['storage'],
}

export default class StorageTest extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Try whether a storage keeps what a backup needs it to keep.'
  static override description =
    'Puts a storage of yours to everything that is asked of one, with small and large objects under a name of their own ' +
    '(freezer-test/) that are removed again, also when the test fails or is interrupted. Backups in the same container ' +
    'are not touched. The exit status is 16 when the storage does not keep a promise, else that of its first failure.'
  static override usage = 'storage test --storage NAME --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> storage test --container /mnt/backups',
    '<%= config.bin %> storage test --storage swift --os-cloud mycloud --container backups --create --json',
    '<%= config.bin %> storage test --config /etc/freezer/nightly.ini --test-bytes 256M',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const [{ testStorage }, { storageTestOutcome }] = await Promise.all([
      import('@freezer/sdk/testing'),
      import('../output/storage-test.ts'),
    ])
    await using run = open({ create: options.create })
    const report = await testStorage(
      { storage: await run.storage(), bytes: options.testBytes, many: options.testObjects },
      context,
    )
    return storageTestOutcome(report)
  }
}
