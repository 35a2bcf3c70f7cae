/** Option declarations as flags of oclif, for its parser and for its help. */

import type { OptionDeclaration, OptionDeclarations } from '@freezer/sdk'
import { Failure, spell, spellDuration } from '@freezer/sdk'
import { boolean, string } from '@oclif/core/flags'
import type { FlagInput } from '@oclif/core/interfaces'

/** Options that are declared together. */
export interface OptionGroup {
  /** Heading in help: `storage local`; '' for a command's own. */
  readonly title: string
  readonly declarations: OptionDeclarations
}

/**
 * Flags for a command line. Secrets get none: everybody on a machine can read the arguments of a program. Values
 * stay text here, and defaults are not filled in: what was not given must not win over an ini file.
 *
 * @throws Failure `plugin` when two groups declare the same option as different kinds of flag
 */
export function parserFlags(groups: readonly OptionGroup[]): FlagInput {
  const flags: FlagInput = {}
  for (const { name, declaration, title } of flagged(groups)) {
    const long = spell(name, '-')
    const char = declaration.short === undefined ? {} : { char: declaration.short as 'a' }
    const flag =
      declaration.type === 'boolean'
        ? boolean({ ...char, allowNo: true })
        : declaration.type === 'list'
          ? string({ ...char, multiple: true, multipleNonGreedy: true })
          : string(char)
    const other = flags[long]
    if (other !== undefined && (other.type !== flag.type || 'multiple' in other !== 'multiple' in flag)) {
      throw new Failure('plugin', `The option --${long} of ${title} contradicts another one of that name.`, {
        remedy: 'Use one of the two plugins at a time, and report this to their authors.',
      })
    }
    flags[long] = flag
  }
  return flags
}

/** Flags as help shows them: under a heading for each group, with their defaults. */
export function helpFlags(groups: readonly OptionGroup[]): FlagInput {
  const flags: FlagInput = {}
  for (const { name, declaration, title } of flagged(groups)) {
    const [help = ''] = declaration.help.split('\n')
    const summary = declaration.alone === undefined ? help : `${help} (alone: ${declaration.alone})`
    const shown = {
      summary,
      helpGroup: title,
      ...(declaration.short === undefined ? {} : { char: declaration.short as 'a' }),
      ...(declaration.required === true ? { required: true } : {}),
    }
    const long = spell(name, '-')
    flags[long] ??=
      declaration.type === 'boolean'
        ? boolean({ ...shown, allowNo: true })
        : string({ ...shown, ...helpValue(declaration), ...helpDefault(declaration) })
  }
  return flags
}

function flagged(groups: readonly OptionGroup[]) {
  return groups.flatMap(({ title, declarations }) =>
    Object.entries(declarations)
      .filter(([, declaration]) => declaration.secret !== true)
      .map(([name, declaration]) => ({ title, name, declaration })),
  )
}

/** What the value is called in help, as oclif wants it. */
export function helpValue(declaration: OptionDeclaration): { helpValue: string } {
  if (declaration.value !== undefined) return { helpValue: declaration.value }
  if ('choices' in declaration && declaration.choices !== undefined) {
    return { helpValue: declaration.choices.join('|') }
  }
  const names = {
    bytes: 'BYTES',
    duration: 'DURATION',
    integer: 'N',
    number: 'N',
    path: 'PATH',
    string: 'TEXT',
    list: 'TEXT',
  }
  return { helpValue: names[declaration.type as keyof typeof names] }
}

/** The default in words, as oclif wants it. */
export function helpDefault(declaration: OptionDeclaration): { default?: string } {
  const value = declaration.default
  if (value === undefined || declaration.type === 'list') return {}
  if (declaration.type === 'bytes') return { default: binaryUnits(Number(value)) }
  return { default: declaration.type === 'duration' ? spellDuration(Number(value)) : String(value) }
}

/** 33554432 → `32M`: the shortest form that means the same. */
function binaryUnits(bytes: number): string {
  const power = ['', 'K', 'M', 'G', 'T'].findLastIndex((_, index) => bytes % 2 ** (10 * index) === 0)
  return bytes === 0 ? '0' : `${bytes / 2 ** (10 * power)}${['', 'K', 'M', 'G', 'T'][power]}`
}
