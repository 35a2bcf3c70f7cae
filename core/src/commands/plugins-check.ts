import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { OpenRun } from '../composition.ts'
import type { Output } from '../output/output.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  package: { type: 'string', value: 'PACKAGE', required: true, help: 'The same as PACKAGE' },
  provider: {
    type: 'list',
    value: 'NAME',
    help: 'Check only this of what the package provides, by its name (repeatable)',
  },
  set: {
    type: 'list',
    value: 'NAME=VALUE',
    help:
      'An option of what is checked, as "container=/tmp/empty" (repeatable)\n' +
      'They are also taken from the file of --config and the environment; secrets from there alone.',
  },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [
  {
    label: 'PACKAGE',
    option: 'package',
    help: 'Name of a plugin that is there, or the directory of a package',
  },
])

export default class PluginsCheck extends PlainCommand<typeof ownOptions> {
  static override summary = 'Put a plugin through the checks of its contracts.'
  static override description =
    'Runs here what the authors of plugins run in their tests. A storage must be empty before, and is emptied again and again. ' +
    'The exit status is 12 when a check fails.'
  static override usage = 'plugins check PACKAGE [FLAGS]'
  static override examples = [
    '<%= config.bin %> plugins check @example/freezer-storage-shelf --set container=/tmp/shelf',
    '<%= config.bin %> plugins check ./my-plugin --json',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform(
    { options, registry }: Given,
    context: Context,
    _open: OpenRun,
    output: Output,
  ): Promise<Outcome> {
    const [{ checkPlugin }, { showChecks }, { earlyOptions }] = await Promise.all([
      import('../plugins/check.ts'),
      import('../output/plugins.ts'),
      import('../invocation.ts'),
    ])
    const { ini } = earlyOptions(this.argv, process.env)
    const sources = { ini, environment: process.env, set: options.set }
    const wanted = { package: options.package, names: options.provider }
    return showChecks(checkPlugin(registry, wanted, sources, context), output)
  }
}
