import { readFileSync } from 'node:fs'
import { Failure, fromSystem } from '@freezer/sdk'

/** One `key = value` of an ini file. */
export interface IniEntry {
  /** With `_` between its words and in lower case, however it was written. */
  readonly key: string
  /** As written, without the white space around it: no quotes, no inline comments, no interpolation. */
  readonly value: string
  /** Counted from 1. */
  readonly line: number
}

/** A section `[storage:NAME]`: one of several storages, with its own options. */
export interface StorageSection {
  readonly name: string
  readonly line: number
  readonly entries: readonly IniEntry[]
}

export interface Ini {
  readonly file: string
  /** Of all sections but those of storages, in the order of the file. */
  readonly entries: readonly IniEntry[]
  readonly storages: readonly StorageSection[]
}

/** @throws Failure `configuration` */
export function readIni(file: string): Ini {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    const failure = fromSystem(error, `read the configuration file ${file}`)
    throw new Failure('configuration', failure.message, { cause: error })
  }
  return parseIni(bytes.toString('utf8'), file)
}

/**
 * Lines `key = value`, sections `[name]`, and comments: lines that begin with `;` or `#`. The names of sections say
 * nothing: all of them are one. Only `[storage:NAME]` is another: what is in it is said of that storage alone.
 *
 * @throws Failure `configuration` that names the line
 */
export function parseIni(text: string, file: string): Ini {
  const common: IniEntry[] = []
  const storages: (StorageSection & { entries: IniEntry[] })[] = []
  let entries = common
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (const [index, written] of lines.entries()) {
    const line = written.trim()
    const place = `${file} line ${index + 1}`
    if (line === '' || line.startsWith(';') || line.startsWith('#')) continue
    if (line.startsWith('[')) {
      const section = /^\[([^\]]+)\]$/.exec(line)?.[1]
      if (section === undefined) throw new Failure('configuration', `${place}: a section is written [name].`)
      const storage = /^storage:(.*)$/i.exec(section.trim())?.[1]?.trim()
      entries = storage === undefined ? common : beginStorage(storages, storage, index + 1, place)
      continue
    }
    const equals = line.indexOf('=')
    const key = line.slice(0, Math.max(equals, 0)).trim()
    if (key === '') throw new Failure('configuration', `${place}: expected "key = value".`)
    entries.push({
      key: key.toLowerCase().replaceAll('-', '_'),
      value: line.slice(equals + 1).trim(),
      line: index + 1,
    })
  }
  return { file, entries: common, storages }
}

function beginStorage(
  storages: (StorageSection & { entries: IniEntry[] })[],
  name: string,
  line: number,
  place: string,
): IniEntry[] {
  if (!/^[\w.-]+$/.test(name)) {
    throw new Failure('configuration', `${place}: a storage is named [storage:NAME].`, {
      remedy: 'Make the name of letters, digits, ".", "_" and "-".',
    })
  }
  const other = storages.find((one) => one.name === name)
  if (other !== undefined) {
    throw new Failure('configuration', `${place}: line ${other.line} names a storage "${name}" too.`)
  }
  const section = { name, line, entries: [] }
  storages.push(section)
  return section.entries
}
