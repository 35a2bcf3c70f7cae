import { existsSync } from 'node:fs'
import type { Context, OptionDeclarations, Repository } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { readPassphrase } from '../passphrase.ts'
import { makeSecretFile, newKeyFile, readKeyFile } from '../secret-files.ts'

const selectors = containerOptions

const ownOptions = {
  newPassFile: { type: 'path', value: 'FILE', help: 'Add the passphrase in the first line of this file' },
  newKeyFile: {
    type: 'path',
    value: 'FILE',
    help: 'Add this key file; one of 32 random bytes is made when it is not there',
  },
  recipient: {
    type: 'boolean',
    help: 'Add a recipient: a host that backs up what it cannot read; with --recipient-file',
  },
  recipientFile: {
    type: 'path',
    value: 'FILE',
    help:
      'File to make for the host, for "freezer backup --encrypt-recipient"\n' +
      'Keep it as secret as the data of that host: whoever has it can write backups in the name of the host.',
  },
  recipientHost: {
    type: 'string',
    value: 'HOST',
    help: 'Host whose backups the recipient receives; the label when not given',
  },
  label: {
    type: 'string',
    value: 'TEXT',
    help: 'Words for "key list"; they stand in the container unencrypted',
  },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const isSet = (value: unknown) => ['true', 'yes', 'on', '1', true].includes(value as string)

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  contradictions: [
    { names: ['newPassFile', 'newKeyFile'] },
    { names: ['recipient', 'newPassFile'], clash: isSet },
    { names: ['recipient', 'newKeyFile'], clash: isSet },
  ],
}

export default class KeyAdd extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Let another passphrase, key file or host use a container.'
  static override description =
    'A passphrase is changed by adding the new one and removing the old one (key remove). No data is written again. ' +
    'Each passphrase and each key file reads everything in the container.'
  static override usage = 'key add --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> key add --container /mnt/backups --encrypt-pass-file /root/old --new-pass-file /root/new',
    '<%= config.bin %> key add --container /mnt/backups --encrypt-pass-file /root/old --new-key-file /root/key --label usb',
    '<%= config.bin %> key add --container /mnt/backups --encrypt-pass-file /root/old --recipient --label web1 --recipient-file web1.recipient',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { Failure } = await import('@freezer/sdk')
    const { newPassFile, newKeyFile: keyFile, recipient } = options
    if (newPassFile === undefined && keyFile === undefined && !recipient) {
      throw new Failure('usage', 'There is nothing to add.', {
        remedy: 'Give --new-pass-file, --new-key-file or --recipient.',
      })
    }
    if (options.recipientFile !== undefined && !recipient) {
      throw new Failure('usage', '--recipient-file is the file of a recipient.', {
        remedy: 'Add --recipient.',
      })
    }
    await using run = open({ create: false, everywhere: true })
    if (recipient) return await addRecipientOf(options, () => run.repository(), context)
    if (newPassFile !== undefined) {
      return await add(
        { kind: 'passphrase', bytes: readPassphrase(newPassFile) },
        options.label,
        await run.repository(),
        context,
      )
    }
    return await addKeyFile(keyFile ?? '', options.label, () => run.repository(), context)
  }
}

async function add(
  secret: { kind: 'passphrase' | 'key-file'; bytes: Uint8Array },
  label: string | undefined,
  repository: Repository,
  context: Context,
): Promise<Outcome> {
  const { addKey } = await import('@freezer/sdk')
  const { keyAddOutcome } = await import('../output/keys.ts')
  return keyAddOutcome(await addKey(repository, { ...secret, label }, context))
}

/** Adds a key file, which is made when it is not there. */
async function addKeyFile(
  file: string,
  label: string | undefined,
  open: () => Promise<Repository>,
  context: Context,
): Promise<Outcome> {
  if (existsSync(file))
    return add({ kind: 'key-file', bytes: readKeyFile(file) }, label, await open(), context)
  const repository = await open()
  using made = makeSecretFile(file)
  const bytes = newKeyFile()
  // First the file: a key that nobody has must not count as one that opens the container.
  made.write(bytes)
  const outcome = await add({ kind: 'key-file', bytes }, label, repository, context)
  made.keep()
  return outcome
}

async function addRecipientOf(
  { label, recipientHost, recipientFile }: Given['options'],
  open: () => Promise<Repository>,
  context: Context,
): Promise<Outcome> {
  const { addRecipient, Failure } = await import('@freezer/sdk')
  const host = recipientHost ?? label
  if (recipientFile === undefined || host === undefined) {
    throw new Failure('usage', 'A recipient needs a file for its host, and the name of that host.', {
      remedy:
        'Give --recipient-file and --recipient-host, or --label when the label is the name of the host.',
    })
  }
  const repository = await open()
  using made = makeSecretFile(recipientFile)
  const added = await addRecipient(repository, { host, label }, context)
  made.write(added.file)
  made.keep()
  const { recipientOutcome } = await import('../output/keys.ts')
  return recipientOutcome(added, recipientFile)
}
