/**
 * Where a value comes from: the command line, else the ini file, else the environment, else its default. Every
 * value keeps its origin, so that a message can name the place where it was written.
 */
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { OptionDeclaration, OptionDeclarations, Options, OptionValue } from '@freezer/sdk'
import { checkOptions, Failure, isFailure, spell } from '@freezer/sdk'
import type { Ini } from './ini.ts'
import { nearest } from './nearest.ts'

/** Higher wins. */
export const ranks = { environment: 1, ini: 2, 'command line': 3 } as const
export type Rank = (typeof ranks)[keyof typeof ranks]

export interface Setting {
  readonly value: unknown
  readonly rank: Rank
  /** For messages: `--max-level`, `max_level in /etc/freezer.ini line 3`. */
  readonly origin: string
}

export interface Sources {
  /** By the name of the option, as text, lists of text, or booleans. */
  readonly commandLine: Readonly<Record<string, unknown>>
  readonly ini: Ini | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What was set for an option by the source that wins, or undefined where its default holds. */
export function setting(name: string, declaration: OptionDeclaration, sources: Sources): Setting | undefined {
  const onCommandLine = sources.commandLine[name]
  if (onCommandLine !== undefined) {
    const no = onCommandLine === false ? 'no-' : ''
    return { value: onCommandLine, rank: ranks['command line'], origin: `--${no}${spell(name, '-')}` }
  }
  return fromIni(name, declaration, sources.ini) ?? fromEnvironment(name, declaration, sources.environment)
}

function fromIni(name: string, declaration: OptionDeclaration, ini: Ini | undefined): Setting | undefined {
  const key = spell(name, '_')
  const entries = ini?.entries.filter(
    (entry) => entry.key === key || (declaration.type === 'boolean' && entry.key === `no_${key}`),
  )
  const last = entries?.at(-1)
  if (ini === undefined || entries === undefined || last === undefined) return undefined
  const value =
    declaration.type === 'list'
      ? entries.map((entry) => entry.value)
      : last.key === key
        ? last.value
        : opposite(last.value)
  return { value, rank: ranks.ini, origin: `${last.key} in ${ini.file} line ${last.line}` }
}

function fromEnvironment(
  name: string,
  declaration: OptionDeclaration,
  environment: Sources['environment'],
): Setting | undefined {
  const key = spell(name, '_').toUpperCase()
  const value = environment[`FREEZER_${key}`]
  if (value !== undefined) return { value, rank: ranks.environment, origin: `FREEZER_${key}` }
  const no = declaration.type === 'boolean' ? environment[`FREEZER_NO_${key}`] : undefined
  if (no === undefined) return undefined
  return { value: opposite(no), rank: ranks.environment, origin: `FREEZER_NO_${key}` }
}

/** `no_X = true` means `X = false`; text that is no boolean stays, to be refused with its own words. */
function opposite(text: string): unknown {
  try {
    return checkOptions({ value: { type: 'boolean', help: '' } }, { value: text }).value === false
  } catch {
    return text
  }
}

/** What was set for each option of `declarations`; options at their default are not in it. */
export function settings(declarations: OptionDeclarations, sources: Sources): Map<string, Setting> {
  const found = new Map<string, Setting>()
  for (const [name, declaration] of Object.entries(declarations)) {
    const here = setting(name, declaration, sources)
    if (here !== undefined) found.set(name, here)
  }
  return found
}

/**
 * The checked values of `declarations`. Paths come out absolute: relative ones are taken from the working
 * directory, wherever they were written, and `~/` that no shell has seen is the home directory.
 *
 * @param missing the words for a required option that nobody gave
 * @throws Failure `usage` for the command line, `configuration` for an ini file or the environment
 */
export function values<const D extends OptionDeclarations>(
  declarations: D,
  given: ReadonlyMap<string, Setting>,
  missing: (name: string) => string = (name) => `--${spell(name, '-')}`,
): Options<D> {
  const checked: Record<string, OptionValue> = {}
  for (const [name, declaration] of Object.entries(declarations)) {
    const from = given.get(name)
    try {
      const one = checkOptions(
        { [name]: declaration },
        from === undefined ? {} : { [name]: from.value },
        () => from?.origin ?? missing(name),
      )
      checked[name] = declaration.type === 'path' ? absolute(one[name], from) : one[name]
    } catch (error) {
      if (from === undefined || from.rank === ranks['command line'] || !isFailure(error)) throw error
      throw new Failure('configuration', error.message, { remedy: error.remedy })
    }
  }
  return Object.freeze(checked) as Options<D>
}

function absolute(path: OptionValue, from: Setting | undefined): string | undefined {
  if (typeof path !== 'string') return undefined
  if (path === '') throw new Failure('usage', `${from?.origin ?? 'A path'} is empty.`)
  const fromShell = from?.rank === ranks['command line']
  return resolve(fromShell ? path : path.replace(/^~(?=\/|$)/, () => homedir()))
}

/** Two options of which only one can hold: `clash` says for which values they contradict each other. */
export interface Contradiction {
  readonly names: readonly [string, string]
  readonly clash?: (first: unknown, second: unknown) => boolean
}

/**
 * Takes contradictions out of `given`: the option of the source that wins stays, the other is dropped.
 *
 * @throws Failure `usage` for two of the same source
 */
export function settle(given: Map<string, Setting>, contradictions: readonly Contradiction[]): void {
  for (const { names, clash } of contradictions) {
    const [first, second] = [given.get(names[0]), given.get(names[1])]
    if (first === undefined || second === undefined || clash?.(first.value, second.value) === false) continue
    if (first.rank === second.rank) {
      const code = first.rank === ranks['command line'] ? 'usage' : 'configuration'
      throw new Failure(code, `${first.origin} and ${second.origin} contradict each other.`, {
        remedy: 'Give one of them.',
      })
    }
    given.delete(first.rank < second.rank ? names[0] : names[1])
  }
}

/**
 * Refuses keys of the ini file that mean nothing. Keys of `known` options are used; those of `others` belong to
 * other commands or providers and are left alone.
 *
 * @param others asked only when a key is not known
 * @throws Failure `configuration`
 */
export async function refuseUnknownKeys(
  ini: Ini | undefined,
  known: OptionDeclarations,
  others: () => Promise<OptionDeclarations>,
): Promise<void> {
  const used = iniKeys(known)
  const unused = ini?.entries.filter((entry) => !used.has(entry.key)) ?? []
  if (ini === undefined || unused.length === 0) return
  const all = iniKeys(await others())
  for (const { key, line } of unused) {
    if (all.has(key)) continue
    const meant = nearest(key, [...used, ...all])
    throw new Failure('configuration', `${ini.file} line ${line}: there is no option ${key}.`, {
      remedy: meant === undefined ? undefined : `Perhaps ${meant} is meant.`,
    })
  }
}

function iniKeys(declarations: OptionDeclarations): Set<string> {
  const keys = new Set<string>()
  for (const [name, { type }] of Object.entries(declarations)) {
    keys.add(spell(name, '_'))
    if (type === 'boolean') keys.add(`no_${spell(name, '_')}`)
  }
  return keys
}
