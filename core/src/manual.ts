/** The commands and their options as data, from the declarations: what docs/commands.md, the manual and completion are made of. */
import type { OptionDeclaration } from '@freezer/sdk'
import { spell } from '@freezer/sdk'
import type { Registry } from './admission.ts'
import type { Argument } from './argument.ts'
import { commands } from './commands/index.ts'
import { helpDefault, helpValue, type OptionGroup } from './flags.ts'
import type { AnySpec } from './invocation.ts'
import { optionGroups } from './option-groups.ts'

export interface CommandPage {
  /** `key add`. */
  readonly name: string
  readonly summary: string
  readonly description: string
  /** Below `freezer`. */
  readonly usage: string
  readonly examples: readonly string[]
  readonly positional: readonly Argument[]
  readonly own: readonly OptionRow[]
  /** Of the providers that it may use, by who declares them: `storage local`. */
  readonly groups: readonly OptionSection[]
}

export interface OptionSection {
  readonly title: string
  readonly options: readonly OptionRow[]
}

export interface OptionRow {
  /** `--max-level`; of a secret the key of an ini file, `ftp_password`. */
  readonly name: string
  readonly short: string | undefined
  /** What the value is called; undefined where it takes none. */
  readonly value: string | undefined
  readonly required: boolean
  readonly secret: boolean
  /** It also has a form with `--no-`. */
  readonly negatable: boolean
  /** What it means when it stands alone. */
  readonly alone: string | undefined
  readonly default: string | undefined
  readonly choices: readonly string[]
  readonly path: boolean
  /** Sentences: the first is that of `--help`. */
  readonly help: string
}

/** Everything that `freezer` knows, with all plugins of `registry`. */
export async function manual(
  registry: Registry,
): Promise<{ readonly general: readonly OptionRow[]; readonly pages: readonly CommandPage[] }> {
  let general: readonly OptionRow[] = []
  const pages: CommandPage[] = []
  for (const [id, command] of Object.entries(commands)) {
    const spec: AnySpec = command.spec as unknown as AnySpec
    const [own, common, ...others] = (await optionGroups(spec, registry)).map(section)
    general = common?.options ?? []
    const name = id.replaceAll(':', ' ')
    const {
      summary = '',
      description = '',
      usage = name,
      examples = [],
    } = command as {
      summary?: string
      description?: string
      usage?: string
      examples?: readonly string[]
    }
    pages.push({
      name,
      summary,
      description,
      usage,
      examples: examples.map((example) => example.replace('<%= config.bin %>', 'freezer')),
      positional: spec.positional ?? [],
      own: own?.options ?? [],
      groups: others.filter(({ options }) => options.length > 0),
    })
  }
  return { general, pages }
}

function section({ title, declarations }: OptionGroup): OptionSection {
  return { title, options: Object.entries(declarations).map(([name, declaration]) => row(name, declaration)) }
}

function row(name: string, declaration: OptionDeclaration): OptionRow {
  const secret = declaration.secret === true
  const boolean = declaration.type === 'boolean'
  const [first = '', ...rest] = declaration.help.split('\n')
  return {
    name: secret ? spell(name, '_') : `--${spell(name, '-')}`,
    short: declaration.short === undefined ? undefined : `-${declaration.short}`,
    value: boolean ? undefined : helpValue(declaration).helpValue,
    required: declaration.required === true,
    secret,
    negatable: boolean,
    alone: declaration.alone,
    default: boolean && declaration.default !== true ? undefined : helpDefault(declaration).default,
    choices: 'choices' in declaration ? (declaration.choices ?? []) : [],
    path: declaration.type === 'path',
    help: [first, ...rest].map((line) => (/[.!?…]$/.test(line) ? line : `${line}.`)).join(' '),
  }
}
