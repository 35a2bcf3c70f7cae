import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  lockFile: { type: 'path', value: 'FILE', help: 'The same as FILE' },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [
  { label: 'FILE', option: 'lockFile', help: 'File to write; that of --plugin-lock when not given' },
])

export default class PluginsLock extends PlainCommand<typeof ownOptions> {
  static override summary = 'Write down which plugins are allowed, with digests of their files.'
  static override description =
    'Allows what is installed and linked now. With --plugin-lock FILE, plugin_lock in an ini file or FREEZER_PLUGIN_LOCK, every ' +
    'command refuses a plugin that FILE does not list, or whose files changed. Plugins that are part of Freezer need no line.'
  static override usage = 'plugins lock [FILE] [FLAGS]'
  static override examples = [
    '<%= config.bin %> plugins lock /etc/freezer/freezer.lock',
    '<%= config.bin %> plugins lock --config /etc/freezer/freezer.ini',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given): Promise<Outcome> {
    const [{ Failure }, { candidatesOf }, { lockEntries, writeLock }, { lockOutcome }] = await Promise.all([
      import('@freezer/sdk'),
      import('../discovery.ts'),
      import('../plugins/lock.ts'),
      import('../output/plugins.ts'),
    ])
    const file = options.lockFile ?? options.pluginLock
    if (file === undefined) {
      throw new Failure('usage', 'Say which file is to be written.', {
        remedy: 'Give FILE, or set plugin_lock in the file of --config.',
      })
    }
    const plugins = lockEntries(candidatesOf(this.config))
    await writeLock(file, plugins)
    return lockOutcome(file, plugins)
  }
}
