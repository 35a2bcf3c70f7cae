/** From what was said to freezer-agent, on the command line and in its files, to one of our commands and its options. */
import { readdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import type { ProviderKind } from '@freezer/sdk'
import { Failure, fromSystem, spell } from '@freezer/sdk'
import type { Ini, IniEntry } from '../ini.ts'
import { readIni } from '../ini.ts'
import type { Given } from './arguments.ts'
import { readArguments } from './arguments.ts'
import { type Flag, flagNamed, isTrue, optionName, optionsOf, type Settings } from './flags.ts'

const actions = ['backup', 'restore', 'info', 'admin', 'exec'] as const
export type Action = (typeof actions)[number]

/** What freezer-agent is to do. */
export interface Translation {
  readonly action: Action
  readonly command: 'backup' | 'restore' | 'info' | 'list' | 'prune' | 'exec'
  /** What is left for our parser. */
  readonly argv: readonly string[]
  readonly commandLine: Readonly<Record<string, unknown>>
  readonly ini: Ini
  readonly warnings: readonly string[]
  /** What was said by the names of flags, where the command line wins over the files. */
  readonly said: ReadonlyMap<string, string>
}

/** What there is to translate to. */
export interface Known {
  /** Our option of this name, if a command or a plugin has one. */
  readonly option: (name: string) => { readonly secret?: boolean } | undefined
  readonly providers: (kind: ProviderKind) => readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A flag with what was said of it, and where. */
interface Said {
  readonly name: string
  readonly flag: Flag
  readonly value: string
  /** For messages. */
  readonly origin: string
}

/** @throws Failure `usage`, `configuration` */
export function translate(argv: readonly string[], known: Known): Translation {
  const has = (flag: string) => known.option(optionName(flag)) !== undefined
  const { given, others } = readArguments(argv, (name) => has(name) || has(name.replace(/^no-/, '')))
  const files = filesOf(given)
  const inis = files.map(readIni)
  const fromFiles = inis.flatMap(({ file, entries }) =>
    entries.map((entry) => ({ entry, said: saidIn(entry, file) })),
  )
  const lastInFiles = new Map(
    fromFiles.flatMap((from) => (from.said === undefined ? [] : [[from.said.name, from.said]])),
  )
  const fromArguments = given.flatMap(({ name, value, written }): Said[] => {
    const flag = flagNamed(name)?.flag
    return flag === undefined ? [] : [{ name, flag, value, origin: written }]
  })
  const said = new Map<string, Said>()
  for (const one of [...fromFiles.flatMap((from) => from.said ?? []), ...fromArguments])
    said.set(one.name, one)

  const text = (name: string) => said.get(name)?.value
  const action = chosenAction(text('action') ?? 'backup')
  const warnings = [...said.values()].flatMap((one) => judged(one, action, known))
  const commandLine: Record<string, string | boolean | string[]> = {}
  for (const one of fromArguments) Object.assign(commandLine, settingsOf(one, action))
  Object.assign(commandLine, providersOf(said, action, known, warnings), logIn(text))
  const excludes = fromArguments.filter(({ name }) => name === 'exclude').map(({ value }) => value)
  if (action === 'backup' && excludes.length > 0) commandLine.exclude = excludes
  requireFor(action, said, known)
  const storages = inis.flatMap((ini) => ini.storages)
  return {
    action,
    command: commandOf(action, text('list-objects')),
    argv: others,
    commandLine,
    ini: {
      file: files.join(', '),
      storages,
      entries: [
        ...defaultsOf(text, action, known, storages.length > 0),
        ...fromFiles.flatMap(({ entry, said: one }) =>
          // The last one held, where a list of ours would take them all.
          one === undefined ? entry : lastInFiles.get(one.name) === one ? entriesOf(one, entry, action) : [],
        ),
      ],
    },
    warnings,
    said: new Map([...said].map(([name, one]) => [name, atHome(one)])),
  }
}

/** A value; the file of --metadata-out lies where the agent was started. */
function atHome({ name, value }: Said): string {
  return name === 'metadata-out' && value !== '-' ? resolve(value) : value
}

/** The files that were named, in the order in which later ones win. */
function filesOf(given: readonly Given[]): string[] {
  const named = (flag: string) => given.filter(({ name }) => name === flag).map(({ value }) => resolve(value))
  const inDirectories = named('config-dir').flatMap((directory) => {
    try {
      return readdirSync(directory)
        .filter((name) => name.endsWith('.conf'))
        .sort()
        .map((name) => join(directory, name))
    } catch (error) {
      const { message } = fromSystem(error, `read the directory ${directory}`)
      throw new Failure('configuration', message, { cause: error })
    }
  })
  return [...inDirectories, ...named('config-file'), ...named('config').slice(-1)]
}

/** What an entry of a file says of a flag; undefined for a key that is none. `None` and nothing mean "not given". */
function saidIn({ key, value: written, line }: IniEntry, file: string): Said | undefined {
  const found = flagNamed(key.replaceAll('_', '-'))
  if (found === undefined) return undefined
  // A % was written twice, because Python would have put other values in its place.
  return { ...found, value: written.replaceAll('%%', '%'), origin: `${key} in ${file} line ${line}` }
}

/** Whether it says nothing: `None` and nothing at all, and `False` of what is no boolean. */
function isEmpty({ flag, value }: Said): boolean {
  return flag.takes === 'value' ? /^(?:none|false|)$/i.test(value.trim()) : value.trim() === ''
}

function chosenAction(text: string): Action {
  const action = actions.find((one) => one === text)
  if (action !== undefined) return action
  throw new Failure('usage', `There is no action "${text}".`, {
    remedy: `The actions are ${actions.join(', ')}.`,
  })
}

/** Warnings about a flag. @throws Failure `usage` for one that is refused */
function judged(one: Said, action: Action, known: Known): string[] {
  const { flag, origin, value } = one
  const { meaning, only } = flag
  if (isEmpty(one) || (flag.takes !== 'value' && !isTrue(value))) return []
  if (only !== undefined && only !== action) {
    return only === 'admin' ? [`${origin} is for --action admin, and nothing is removed now.`] : []
  }
  if ('ignored' in meaning) return [`${origin} changes nothing: ${meaning.ignored}.`]
  if ('refused' in meaning) {
    throw new Failure('usage', `${origin} is refused: ${meaning.refused}.`, { remedy: meaning.instead })
  }
  const options = Object.keys(optionsOf(flag, value) ?? {})
  if (options.some((name) => known.option(name) === undefined)) {
    throw new Failure('usage', `${origin} is refused: no part of Freezer that is installed knows it.`)
  }
  const secret = options.some((name) => known.option(name)?.secret === true) && origin.startsWith('-')
  return secret
    ? [`${origin} shows a secret to everybody on this machine: write it into the file of --config.`]
    : []
}

/** What a flag says in our options. */
function settingsOf(one: Said, action: Action): Settings {
  const { only } = one.flag
  if (isEmpty(one) || (only !== undefined && only !== action)) return {}
  return optionsOf(one.flag, one.value) ?? {}
}

function entriesOf(one: Said, { line }: IniEntry, action: Action): IniEntry[] {
  return Object.entries(settingsOf(one, action)).map(([name, value]) => ({
    key: spell(name, '_'),
    value: String(value),
    line,
  }))
}

const databases = ['mongo', 'mysql', 'sqlserver']
const clouds = ['cinder', 'cindernative', 'cinderbrick', 'nova', 'glance', 'osbrick']
const guide = 'docs/migrating.md says how.'

/** The mode, the engine and the snapshot of a backup. @throws Failure `usage` for those that there are no more */
function providersOf(
  said: ReadonlyMap<string, Said>,
  action: Action,
  known: Known,
  warnings: string[],
): Settings {
  if (action !== 'backup') return {}
  const chosen: Record<string, string> = {}
  for (const kind of ['mode', 'engine', 'snapshot'] as const) {
    const one = said.get(kind)
    if (one === undefined || isEmpty(one)) continue
    const { value, origin } = one
    if (known.providers(kind).includes(value)) chosen[kind] = value
    else if (databases.includes(value)) {
      throw new Failure('usage', `${origin} is refused: there is no mode for databases of that kind.`, {
        remedy: `Back up a dump, or a snapshot; ${guide}`,
      })
    } else if (clouds.includes(value)) {
      throw new Failure(
        'usage',
        `${origin} is refused: this version backs up no servers, images and volumes of OpenStack.`,
        { remedy: guide },
      )
    } else if (kind === 'engine' && ['rsync', 'rsyncv2'].includes(value)) {
      warnings.push(`${origin}: the engine tar is used; it stores changed blocks of large files too.`)
    } else if (kind !== 'snapshot') chosen[kind] = value
    else if (isTrue(value)) {
      throw new Failure('usage', `${origin} is refused: this version makes no LVM and no VSS snapshots.`, {
        remedy: `Make and mount one with --before, and remove it with --after; ${guide}`,
      })
    }
  }
  return chosen
}

function logIn(text: (name: string) => string | undefined): Settings {
  const directory = text('log-dir')
  return directory === undefined || text('log-file') !== undefined
    ? {}
    : { logFile: join(resolve(directory), 'freezer-agent.log') }
}

function commandOf(action: Action, listObjects: string | undefined): Translation['command'] {
  if (action === 'info') return listObjects === undefined ? 'info' : 'list'
  return action === 'admin' ? 'prune' : action
}

/** What the Python Freezer assumed where nothing was said, as entries before all others. */
function defaultsOf(
  text: (name: string) => string | undefined,
  action: Action,
  { environment }: Known,
  sections: boolean,
): IniEntry[] {
  const entries: [key: string, value: string][] = []
  const storage = text('storage') ?? environment.FREEZER_STORAGE ?? 'swift'
  if (!sections && storage === 'swift') entries.push(['storage', 'swift'])
  const container = text('container') ?? environment.FREEZER_CONTAINER
  if (!sections && ['swift', 's3'].includes(storage) && container === undefined) {
    entries.push(['container', 'freezer_backups'])
  }
  if (action === 'admin' && environment.FREEZER_HOSTNAME === undefined) entries.push(['hostname', hostname()])
  return entries.map(([key, value]) => ({ key, value, line: 0 }))
}

/** @throws Failure `usage` for what an action cannot do without */
function requireFor(action: Action, said: ReadonlyMap<string, Said>, { environment }: Known): void {
  const given = (flag: string) => {
    const one = said.get(flag)
    const variable = environment[`FREEZER_${flag.replaceAll('-', '_').toUpperCase()}`]
    return (one !== undefined && !isEmpty(one)) || variable !== undefined
  }
  const fs = (said.get('mode')?.value ?? 'fs') === 'fs'
  const needed: Record<Action, readonly string[]> = {
    backup: fs ? ['path-to-backup', 'backup-name'] : ['backup-name'],
    restore: ['restore-abs-path', 'backup-name'],
    info: [],
    admin: ['backup-name'],
    exec: ['command'],
  }
  const missing = needed[action].find((flag) => !given(flag))
  if (missing !== undefined) throw new Failure('usage', `--${missing} is required for --action ${action}.`)
  if (action === 'admin' && !given('remove-older-than') && !given('remove-from-date')) {
    throw new Failure('usage', '--action admin needs --remove-older-than or --remove-from-date.')
  }
}
