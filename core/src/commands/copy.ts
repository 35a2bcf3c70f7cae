import type { Codec, CodecChoice, Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions, uploadStreams } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { prefixedOptions } from '../second.ts'

const prefix = 'to'
/** For backups of other programs. */
const usualCompression = 'zstd'
/** For backups that are not encrypted where they come from. */
const usualEncryption = 'aes-256-gcm'

const selectors = {
  ...containerOptions,
  ...prefixedOptions(prefix, containerOptions),
  toCompression: {
    type: 'string',
    value: 'NAME',
    help: 'How the copies are compressed, as the originals when not given; none, or one of these',
  },
  toEncryption: {
    type: 'string',
    value: 'NAME',
    help: 'How the copies are encrypted when there is a passphrase; as the originals when not given',
  },
} as const satisfies OptionDeclarations

const ownOptions = {
  backups: { type: 'list', value: 'BACKUP', help: 'The same as BACKUP' },
  toMaxSegmentSize: {
    type: 'bytes',
    min: 65536,
    value: 'BYTES',
    help: 'Largest stored object; what suits the storage unless said',
  },
  queueSize: { type: 'integer', min: 1, max: 1024, value: 'N', help: 'Blocks under way at a time' },
  uploadStreams,
  workers: { type: 'integer', min: 1, max: 256, value: 'N', help: 'Threads that decode and encode' },
  verify: { type: 'boolean', help: 'Read every copy back before it counts as one' },
  dryRun: { type: 'boolean', help: 'Only show what would be copied' },
  ...filterOptions,
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage, toStorage, toCompression, toEncryption, toEncryptPassFile, toKeyFile }) => [
    { kind: 'storage', name: storage },
    { kind: 'storage', name: toStorage, prefix },
    ...(toCompression === undefined || toCompression === 'none'
      ? []
      : [{ kind: 'codec', name: toCompression, prefix } as const]),
    ...(toEncryptPassFile === undefined && toKeyFile === undefined
      ? []
      : [{ kind: 'codec', name: toEncryption ?? usualEncryption, prefix } as const]),
  ],
  kinds: ['storage'],
  hooked: true,
  watched: ({ backupName, hostname }) => ({ name: backupName, host: hostname }),
  contradictions: [{ names: ['toEncryptPassFile', 'toKeyFile'] }],
  second: { prefix, kinds: ['storage', 'codec'] },
  positional: [
    {
      label: 'BACKUP',
      option: 'backups',
      help: 'Which: ids, or their beginnings; latest; dates. All when none is given',
      multiple: true,
    },
  ],
}

export default class Copy extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Copy backups to another container.'
  static override description =
    'With what they build on, oldest first. The other container may be on another storage and have another ' +
    'passphrase: its options are those of this one with --to- before them. What is there already is not copied again, so ' +
    'a run that was interrupted is simply repeated. A backup that cannot be copied is named, and the others are ' +
    'copied; the exit status is 6 when stored data is damaged, and 5 when the other container has no place for it.'
  static override usage = 'copy [BACKUP...] --container DIR --to-container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> copy --container /mnt/backups --to-container /mnt/offsite',
    '<%= config.bin %> copy latest -N home --container /mnt/backups --encrypt-pass-file /root/passphrase --to-container /mnt/offsite --to-encrypt-pass-file /root/other',
    '<%= config.bin %> copy --container /mnt/backups --to-container /mnt/archive --to-compression xz --dry-run',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options, provider, registry }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const [{ checkOptions, copyBackups, Failure }, { parseReference }, { copyOutcome }] = await Promise.all([
      import('@freezer/sdk'),
      import('../reference.ts'),
      import('../output/copy.ts'),
    ])
    const codec = (name: string, kind: Codec['kind']) => {
      const chosen = provider('codec', name, prefix)
      if (chosen.provider.kind === kind) return { codec: chosen.provider, options: chosen.options }
      throw new Failure('usage', `The codec ${name} is not one to ${kind} with.`)
    }
    /** How it is done without being asked for, where the originals are of no codec of ours. */
    const usual = async (name: string): Promise<CodecChoice> => {
      const found = await registry.get('codec', name)
      return { codec: found, options: checkOptions(found.options, {}) }
    }
    const { toCompression, toEncryption, toEncryptPassFile, toKeyFile } = options
    const backups = options.backups.map(parseReference)
    await using source = open({ create: false, reads: true })
    await using destination = open({ create: true, dryRun: options.dryRun, prefix })
    const from = await source.repository()
    const isForeign = from.origin !== from.storage
    const result = await copyBackups(
      {
        from,
        to: await destination.repository(),
        backups,
        filter: { host: options.hostname, name: options.backupName },
        compression:
          toCompression === undefined || toCompression === 'none'
            ? (toCompression ?? (isForeign ? await usual(usualCompression) : undefined))
            : codec(toCompression, 'compress'),
        encryption:
          toEncryptPassFile === undefined && toKeyFile === undefined
            ? undefined
            : { ...codec(toEncryption ?? usualEncryption, 'encrypt'), always: toEncryption !== undefined },
        segmentSize: options.toMaxSegmentSize,
        queueSize: options.queueSize,
        uploadStreams: options.uploadStreams,
        workers: options.workers,
        verify: options.verify,
        dryRun: options.dryRun,
      },
      context,
    )
    return copyOutcome(result)
  }
}
