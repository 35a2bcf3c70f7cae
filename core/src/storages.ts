/** The storages of a run: those that `--storage` and the sections `[storage:NAME]` of the ini file name. */
import type { OptionDeclarations, Options, StorageDriver } from '@freezer/sdk'
import { Failure, isFailure, spell } from '@freezer/sdk'
import type { Registry } from './admission.ts'
import type { Setting, Sources } from './configuration.ts'
import { ranks, settings, values } from './configuration.ts'
import type { Ini, StorageSection } from './ini.ts'
import { nearest } from './nearest.ts'
import { connectionOptions } from './options.ts'
import { prefixedName, prefixedOptions } from './second.ts'

/** A storage that a run was told to use. */
export interface NamedStorage {
  /** As `--storage` names it. */
  readonly name: string
  readonly driver: StorageDriver
  readonly section: StorageSection | undefined
}

/** The same with its checked options. */
export interface ConfiguredStorage extends NamedStorage {
  readonly options: Options<OptionDeclarations>
  readonly connection: Options<typeof connectionOptions>
}

/** `ini` as if it had a line `storage = NAME` for each of its sections of storages. */
export function namingSections(ini: Ini): Ini {
  if (ini.storages.length === 0) return ini
  const named = ini.storages.map(({ name, line }) => ({ key: 'storage', value: name, line }))
  return { ...ini, entries: [...ini.entries.filter(({ key }) => key !== 'storage'), ...named] }
}

/**
 * The storage that is called `name`: by a section of `ini`, else by what provides it.
 * @throws Failure `configuration`, `plugin`
 */
export async function nameStorage(
  name: string,
  ini: Ini | undefined,
  registry: Registry,
): Promise<NamedStorage> {
  const section = ini?.storages.find((one) => one.name === name)
  const provider = section === undefined ? name : providerOf(section, ini)
  return { name, driver: await registry.get('storage', provider), section }
}

/** What a section, or else all of `ini`, says after `storage =`. */
function providerOf({ name, line, entries }: StorageSection, ini: Ini | undefined): string {
  const said =
    entries.findLast(({ key }) => key === 'storage') ?? ini?.entries.findLast(({ key }) => key === 'storage')
  if (said !== undefined) return said.value
  throw new Failure(
    'configuration',
    `${ini?.file} line ${line}: [storage:${name}] does not say what it is.`,
    {
      remedy: 'Write "storage = local", or the name of another storage, into it.',
    },
  )
}

/** How the options of a storage are found and spoken of. */
export interface StorageSources {
  /** With all of the ini file. */
  readonly sources: Sources
  /** What its options begin with outside of sections. */
  readonly prefix: string | undefined
  /** It is one of several, all of which the command line would speak to. */
  readonly several: boolean
  /** The words for an option that is required and that nobody gave. */
  readonly missing: (option: string) => string
}

/**
 * A storage with its options: those of its section win over what is said outside, and the command line over both.
 * @throws Failure `usage`, `configuration`
 */
export function configureStorage(storage: NamedStorage, from: StorageSources): ConfiguredStorage {
  return {
    ...storage,
    options: optionsOf(storage, storage.driver.options, from),
    connection: optionsOf(storage, connectionOptions, from),
  }
}

function optionsOf<const D extends OptionDeclarations>(
  { name, section }: NamedStorage,
  declarations: D,
  { sources, prefix, several, missing }: StorageSources,
): Options<D> {
  const called = (option: string) => (prefix === undefined ? option : prefixedName(prefix, option))
  const outside = settings(
    prefix === undefined ? declarations : prefixedOptions(prefix, declarations),
    sources,
  )
  const inside =
    section === undefined || sources.ini === undefined
      ? new Map<string, Setting>()
      : settings(declarations, {
          commandLine: {},
          ini: { ...sources.ini, entries: section.entries },
          environment: {},
        })
  const given = new Map<string, Setting>()
  for (const option of Object.keys(declarations)) {
    const [here, other] = [inside.get(option), outside.get(called(option))]
    if (here !== undefined && other?.rank === ranks['command line'] && several) {
      const where = `${spell(option, '_')} of [storage:${name}]`
      throw new Failure('usage', `${other.origin} contradicts ${where}, which is one of several storages.`, {
        remedy: `Name one of them, with --storage ${name}, or leave ${other.origin} out.`,
      })
    }
    const setting = other?.rank === ranks['command line'] ? other : (here ?? other)
    if (setting !== undefined) given.set(option, setting)
  }
  return values(declarations, given, (option) =>
    section === undefined ? missing(called(option)) : `${spell(option, '_')} of [storage:${name}]`,
  )
}

/**
 * Refuses keys in sections of storages that mean nothing there. A section that was not chosen is passed over when its
 * provider is not installed.
 *
 * @throws Failure `configuration`
 */
export async function refuseUnknownSectionKeys(
  ini: Ini | undefined,
  named: readonly NamedStorage[],
  registry: Registry,
): Promise<void> {
  for (const section of ini?.storages ?? []) {
    const chosen = named.find((one) => one.section === section)
    const driver = chosen?.driver ?? (await installed(section, ini, registry))
    if (driver === undefined) continue
    const options: OptionDeclarations = { ...connectionOptions, ...driver.options }
    const known = ['storage', ...Object.keys(options).map((option) => spell(option, '_'))]
    for (const { key, line } of section.entries) {
      if (known.includes(key) || known.some((one) => key === `no_${one}`)) continue
      const meant = nearest(key, known)
      const message = `${ini?.file} line ${line}: the storage ${driver.name} has no option ${key}.`
      throw new Failure('configuration', message, {
        remedy: meant === undefined ? undefined : `Perhaps ${meant} is meant.`,
      })
    }
  }
}

async function installed(
  section: StorageSection,
  ini: Ini | undefined,
  registry: Registry,
): Promise<StorageDriver | undefined> {
  try {
    return await registry.get('storage', providerOf(section, ini))
  } catch (error) {
    if (isFailure(error) && error.code !== 'internal') return undefined
    throw error
  }
}

/**
 * Refuses two with the same options, which need not be asked to be known as one place.
 * @throws Failure `configuration`
 */
export async function refuseSamePlace(storages: readonly ConfiguredStorage[]): Promise<void> {
  const places = new Map<string, string>()
  for (const { name, driver, options } of storages) {
    const place = JSON.stringify([driver.name, Object.entries(options)])
    const other = places.get(place)
    if (other !== undefined) throw (await import('@freezer/sdk/storages')).samePlace(other, name)
    places.set(place, name)
  }
}
