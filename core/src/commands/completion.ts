import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  shell: {
    type: 'string',
    required: true,
    choices: ['bash', 'zsh', 'fish'],
    help: 'The same as SHELL',
  },
} as const satisfies OptionDeclarations

const spec = plainSpec(ownOptions, [{ label: 'SHELL', option: 'shell', help: 'bash, zsh or fish' }])

export default class Completion extends PlainCommand<typeof ownOptions> {
  static override summary = 'Print a script that completes commands and options in a shell.'
  static override description =
    'The script knows the options of the plugins that are installed now: print it again after installing one. It ' +
    'completes freezer and freezer-agent, and starts neither.'
  static override usage = 'completion SHELL'
  static override examples = [
    '<%= config.bin %> completion bash > ~/.local/share/bash-completion/completions/freezer',
    'source <(<%= config.bin %> completion zsh)',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/freezer.fish',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options, registry }: PlainInvocation<typeof ownOptions>): Promise<Outcome> {
    const [{ manual }, { programs }, { completionScript }] = await Promise.all([
      import('../manual.ts'),
      import('../completion/words.ts'),
      import('../completion/scripts.ts'),
    ])
    const script = completionScript(options.shell, programs(await manual(registry)))
    return { json: { shell: options.shell, script }, lines: script.trimEnd().split('\n') }
  }
}
