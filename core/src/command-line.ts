/** Arguments of a program to values by the names of options, with oclif's parser. */

import type { OptionDeclarations } from '@freezer/sdk'
import { Failure, spell } from '@freezer/sdk'
import { parse } from '@oclif/core/parser'
import type { Argument } from './argument.ts'
import { argumentInput } from './argument.ts'
import type { OptionGroup } from './flags.ts'
import { parserFlags } from './flags.ts'
import { nearest } from './nearest.ts'

/** The part of `argv` where flags can stand. */
export function words(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}

/** What `argv` says of `declarations`, without knowing all flags; the real parser judges the whole later. */
export function glance(argv: readonly string[], declarations: OptionDeclarations): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const before = words(argv)
  for (const [name, { type, alone }] of Object.entries(declarations)) {
    if (type === 'boolean') continue
    const flag = `--${spell(name, '-')}`
    const given = before.flatMap((word, at) => {
      if (word.startsWith(`${flag}=`)) return [word.slice(flag.length + 1)]
      return word === flag ? (alone ?? before[at + 1] ?? []) : []
    })
    if (given.length > 0) found[name] = type === 'list' ? given : given.at(-1)
  }
  return found
}

/**
 * The command line by the names of options.
 *
 * @param elsewhere options that are not of this run, to explain a flag that is unknown
 * @throws Failure `usage`
 */
export async function parseArguments(
  argv: readonly string[],
  positional: readonly Argument[] | undefined,
  groups: readonly OptionGroup[],
  elsewhere: () => Promise<readonly OptionGroup[]>,
): Promise<Record<string, unknown>> {
  // oclif looks flags up in plain objects, where it would find `--constructor`.
  const stray = words(argv).find((word) => (/^--([^=]*)/.exec(word)?.[1] ?? '') in Object.prototype)
  if (stray !== undefined) throw await unknownFlag(stray, groups, elsewhere)
  const input = { flags: parserFlags(groups), args: argumentInput(positional), strict: true }
  const { flags, args } = await parse(spelledOut(argv, groups), input).catch(async (error) => {
    throw await usageFailure(error, groups, elsewhere)
  })

  const commandLine: Record<string, unknown> = {}
  for (const name of groups.flatMap(({ declarations }) => Object.keys(declarations))) {
    const value = flags[spell(name, '-')]
    if (value !== undefined) commandLine[name] = value
  }
  for (const { label, option } of positional ?? []) {
    const value = args[label.toLowerCase()]
    if (value === undefined) continue
    if (!groups.some(({ declarations }) => Object.hasOwn(declarations, option))) {
      throw new Failure('usage', `${label} means nothing to the mode that was chosen.`)
    }
    if (commandLine[option] !== undefined) {
      throw new Failure('usage', `${label} and --${spell(option, '-')} mean the same: give one of them.`)
    }
    commandLine[option] = value
  }
  return commandLine
}

/** `argv` with the value of each flag that may stand alone, and does. */
function spelledOut(argv: readonly string[], groups: readonly OptionGroup[]): string[] {
  const values = new Map<string, string>()
  for (const { declarations } of groups) {
    for (const [name, { alone }] of Object.entries(declarations)) {
      if (alone !== undefined) values.set(`--${spell(name, '-')}`, alone)
    }
  }
  const end = words(argv).length
  return argv.map((word, at) => {
    const value = at < end ? values.get(word) : undefined
    return value === undefined ? word : `${word}=${value}`
  })
}

/** What oclif's parser threw, as a failure with a hint. */
async function usageFailure(
  error: Error & { flags?: string[]; args?: unknown[] },
  groups: readonly OptionGroup[],
  elsewhere: () => Promise<readonly OptionGroup[]>,
): Promise<Error> {
  const [flag] = error.flags ?? []
  if (flag !== undefined) return unknownFlag(flag, groups, elsewhere)
  if (!('oclif' in error)) return error
  const [message = ''] = error.message.split('\n')
  return new Failure('usage', message.endsWith('.') ? message : `${message}.`, { remedy: 'See --help.' })
}

async function unknownFlag(
  word: string,
  groups: readonly OptionGroup[],
  elsewhere: () => Promise<readonly OptionGroup[]>,
): Promise<Failure> {
  const [flag = word] = word.split('=')
  const fail = (remedy: string) => new Failure('usage', `There is no option ${flag}.`, { remedy })
  const named = (group: OptionGroup) =>
    Object.entries(group.declarations).find(([name]) => `--${spell(name, '-')}` === flag)

  const secret = groups.map(named).find((found) => found?.[1].secret)
  if (secret !== undefined) {
    const key = spell(secret[0], '_')
    return fail(
      `A secret is not given on a command line, which others can read: write ${key} into the file of --config, ` +
        `or set FREEZER_${key.toUpperCase()}.`,
    )
  }
  const owners = (await elsewhere()).filter((group) => group.title !== '' && named(group) !== undefined)
  if (owners.length > 0) {
    return fail(`It is an option of ${owners.map((owner) => owner.title).join(', ')}, which was not chosen.`)
  }
  const flags = groups.flatMap(({ declarations }) => Object.keys(parserFlags([{ title: '', declarations }])))
  const meant = nearest(
    flag,
    flags.map((one) => `--${one}`),
  )
  return fail(meant === undefined ? 'See --help.' : `Perhaps ${meant} is meant.`)
}
