import { hostname } from 'node:os'
import type { Codec, Context, OptionDeclarations, ResourceBackup } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, retentionOptions, uploadStreams } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { readRecipientFile } from '../secret-files.ts'

const selectors = {
  ...containerOptions,
  mode: { type: 'string', default: 'fs', value: 'NAME', help: 'What is backed up' },
  snapshot: {
    type: 'string',
    default: 'none',
    value: 'NAME',
    help: 'Freeze it in a snapshot first, so that all of it is of one moment; none, auto, or one of these',
  },
  engine: {
    type: 'string',
    default: 'tar',
    value: 'NAME',
    help: 'How the archive is made; what fits the mode when not given',
  },
  compression: {
    type: 'string',
    default: 'zstd',
    value: 'NAME',
    help: 'How it is compressed; none, or one of these',
  },
  encryption: {
    type: 'string',
    default: 'aes-256-gcm',
    value: 'NAME',
    help: 'How it is encrypted when there is a passphrase, a key file or a recipient',
  },
  encryptRecipient: {
    type: 'path',
    value: 'FILE',
    help:
      'Recipient file of this host: back up what nobody here can read; every backup is whole\n' +
      'The owner of the container makes the file with "freezer key add --recipient". The host can then add backups, and ' +
      'read none, its own neither; so each is a level 0.',
  },
} as const satisfies OptionDeclarations

const ownOptions = {
  backupName: { type: 'string', short: 'N', value: 'NAME', required: true, help: 'Name of the backup' },
  hostname: { type: 'string', value: 'HOST', help: 'Name of this machine in the container' },
  maxLevel: {
    type: 'integer',
    min: 0,
    value: 'N',
    help: 'Begin a new chain after level N: 2 gives 0, 1, 2, 0, 1, 2, …',
  },
  alwaysLevel: {
    type: 'integer',
    min: 0,
    value: 'N',
    help: 'Make level N again and again: 1 gives 0, 1, 1, 1, …, each on level 0',
  },
  restartAlwaysLevel: {
    type: 'number',
    min: 0,
    value: 'DAYS',
    help: 'Begin a new chain when its level 0 is that old',
  },
  incremental: {
    type: 'boolean',
    default: true,
    help: 'Build on the backup before (default); or begin anew',
  },
  maxSegmentSize: {
    type: 'bytes',
    min: 65536,
    value: 'BYTES',
    help: 'Largest stored object, 16M is that many MiB; what suits the storage unless said',
  },
  queueSize: { type: 'integer', min: 1, max: 1024, value: 'N', help: 'Blocks under way at a time' },
  uploadStreams,
  workers: { type: 'integer', min: 1, max: 256, value: 'N', help: 'Threads that compress and encrypt' },
  maxLock: {
    type: 'number',
    min: 0,
    value: 'SECONDS',
    help:
      'Fail when what is backed up must be held still for longer\n' +
      'It is let go at that moment, and nothing is stored. Modes that hold nothing (fs) need no limit.',
  },
  dryRun: { type: 'boolean', help: 'Do everything but store: show what the backup would be' },
  ...retentionOptions,
} as const satisfies OptionDeclarations

const isFull = (incremental: unknown) => !['true', 'yes', 'on', '1', true].includes(incremental as string)

/** Whether there is something to encrypt with. */
function encrypts(secrets: {
  encryptPassFile?: unknown
  keyFile?: unknown
  encryptRecipient?: unknown
}): boolean {
  return [secrets.encryptPassFile, secrets.keyFile, secrets.encryptRecipient].some((one) => one !== undefined)
}

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ mode, snapshot, engine, storage, compression, encryption, ...secrets }) => [
    { kind: 'mode', name: mode },
    ...(snapshot === 'none'
      ? []
      : [{ kind: 'snapshot', ...(snapshot === 'auto' ? {} : { name: snapshot }) } as const]),
    { kind: 'engine', name: engine },
    { kind: 'storage', name: storage },
    ...(compression === 'none' ? [] : [{ kind: 'codec', name: compression } as const]),
    ...(encrypts(secrets) ? [{ kind: 'codec', name: encryption } as const] : []),
  ],
  defaultsBySource: { engine: { tree: 'tar', stream: 'stream' } },
  kinds: ['mode', 'snapshot', 'engine', 'codec', 'storage'],
  hooked: true,
  contradictions: [
    { names: ['maxLevel', 'alwaysLevel'] },
    { names: ['incremental', 'maxLevel'], clash: isFull },
    { names: ['incremental', 'alwaysLevel'], clash: isFull },
    { names: ['incremental', 'restartAlwaysLevel'], clash: isFull },
    { names: ['encryptRecipient', 'encryptPassFile'] },
    { names: ['encryptRecipient', 'keyFile'] },
    { names: ['encryptRecipient', 'maxLevel'] },
    { names: ['encryptRecipient', 'alwaysLevel'] },
    { names: ['encryptRecipient', 'restartAlwaysLevel'] },
    // A host that can read nothing cannot judge what may go.
    ...Object.keys(retentionOptions).map((rule) => ({ names: ['encryptRecipient', rule] as const })),
    { names: ['encryptRecipient', 'incremental'], clash: (_, incremental) => !isFull(incremental) },
  ],
  watched: (options) => ({ name: options.backupName, host: options.hostname ?? hostname() }),
  positional: [{ label: 'PATH', option: 'pathToBackup', help: 'File or directory to back up' }],
}

export default class Backup extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Back up a file or a directory.'
  static override description =
    'Each run adds one backup to the container. It builds on the one before and stores what changed since, unless ' +
    'told otherwise. Files that cannot be read are named, and the exit status is 3. With rules to keep or to remove ' +
    'backups, older backups of this name and host are pruned by them once the new one is complete.'
  static override usage = 'backup PATH --container DIR --backup-name NAME [FLAGS]'
  static override examples = [
    '<%= config.bin %> backup /home --container /mnt/backups --backup-name home',
    '<%= config.bin %> backup /srv -N srv --container /mnt/backups --encrypt-pass-file /root/passphrase --max-level 6',
    '<%= config.bin %> backup /home -N home --container /mnt/backups --max-level 6 --keep-daily 14 --keep-monthly 12',
    '<%= config.bin %> backup /srv -N srv --container /mnt/backups --encrypt-recipient /etc/freezer/recipient',
    '<%= config.bin %> backup /srv -N srv --container /mnt/backups --snapshot btrfs',
    "<%= config.bin %> backup --mode command --command 'mysqldump --all-databases' -N db --container /mnt/backups",
    '<%= config.bin %> backup --config /etc/freezer/nightly.ini --json',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform(
    { options, provider, providersOf }: Given,
    context: Context,
    open: OpenRun,
  ): Promise<Outcome> {
    const { backupResources, expectTakes, Failure, readRecipient } = await import('@freezer/sdk')
    const codec = (option: 'compression' | 'encryption', kind: Codec['kind']) => {
      const chosen = provider('codec', options[option])
      if (chosen.provider.kind === kind) return { codec: chosen.provider, options: chosen.options }
      throw new Failure('usage', `The codec ${options[option]} is not one for ${option}.`)
    }
    const compression = options.compression === 'none' ? undefined : codec('compression', 'compress')
    const encryption = encrypts(options) ? codec('encryption', 'encrypt') : undefined
    const recipient = options.encryptRecipient
    const bound = recipient === undefined ? undefined : await readRecipient(readRecipientFile(recipient))
    const { readPolicy, pruneAfter } = await import('../retention.ts')
    const policy = readPolicy(options)
    const engine = provider('engine', options.engine)
    const mode = provider('mode', options.mode)
    for (const kind of mode.provider.sources ?? ['tree' as const]) expectTakes(engine.provider, kind)

    await using run = open({
      create: recipient === undefined,
      dryRun: options.dryRun,
      recipient,
      everywhere: true,
    })
    const results: ResourceBackup[] = []
    const backups = backupResources(
      {
        repository: () => run.repository(),
        mode: { mode: mode.provider, options: mode.options },
        engine: { engine: engine.provider, engineOptions: engine.options },
        snapshot: {
          providers: providersOf('snapshot'),
          required: options.snapshot !== 'auto' && options.snapshot !== 'none',
        },
        maxLock: options.maxLock,
        host: options.hostname ?? bound?.host ?? hostname(),
        name: options.backupName,
        compression,
        encryption,
        levels: options,
        segmentSize: options.maxSegmentSize,
        queueSize: options.queueSize,
        uploadStreams: options.uploadStreams,
        workers: options.workers,
        dryRun: options.dryRun,
      },
      context,
    )
    for await (const result of backups) results.push(result)
    const pruned = options.dryRun ? [] : await pruneAfter(results, await run.repository(), policy, context)
    const { backupOutcome } = await import('../output/results.ts')
    return backupOutcome(results, pruned)
  }
}
