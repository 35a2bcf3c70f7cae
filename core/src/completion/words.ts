/** What can be completed: the commands, their flags, and the values of those. */
import { flags } from '../agent/flags.ts'
import type { CommandPage, manual, OptionRow } from '../manual.ts'

export interface Word {
  readonly word: string
  /** One line without quotes. */
  readonly help: string
}

export interface FlagWords extends Word {
  /** What follows it: nothing, a file, one of `choices`, or what nobody can guess. */
  readonly takes: 'nothing' | 'file' | 'choice' | 'text'
  readonly choices: readonly string[]
  /** It stands alone as well; a value follows after `=` only. */
  readonly alone: boolean
}

export interface CommandWords extends Word {
  readonly flags: readonly FlagWords[]
  /** The next words of commands that begin with this one. */
  readonly next: readonly Word[]
}

export interface Program {
  readonly name: string
  /** The first is the program alone, the word of which is ''. */
  readonly commands: readonly CommandWords[]
}

const plain = (text: string) => text.replaceAll(/['"`\\$]/g, '').replaceAll(/\s+/g, ' ')

/** Everything that can be completed of our programs. */
export function programs({ general, pages }: Awaited<ReturnType<typeof manual>>): Program[] {
  const found = new Map<string, CommandWords>()
  const rows = (page: CommandPage) => [
    ...page.own,
    ...page.groups.flatMap(({ options }) => options),
    ...general,
  ]
  const first = (path: string) =>
    pages.flatMap(({ name, summary }) => {
      if (path !== '' && !name.startsWith(`${path} `)) return []
      const [word = '', ...more] = (path === '' ? name : name.slice(path.length + 1)).split(' ')
      return [{ word, help: plain(more.length === 0 ? summary : `Commands: ${name}, …`) }]
    })
  for (const page of pages) {
    for (let path = page.name; ; path = path.slice(0, path.lastIndexOf(' '))) {
      if (!found.has(path)) {
        const own = pages.find(({ name }) => name === path)
        found.set(path, {
          word: path,
          help: plain(own?.summary ?? ''),
          flags: own === undefined ? [] : once(rows(own).flatMap(flagOf)),
          next: once(first(path)),
        })
      }
      if (!path.includes(' ')) break
    }
  }
  const top: CommandWords = { word: '', help: '', flags: [], next: once(first('')) }
  return [
    { name: 'freezer', commands: [top, ...found.values()] },
    { name: 'freezer-agent', commands: [agentWords()] },
  ]
}

/** The first of each word. */
function once<T extends Word>(words: readonly T[]): T[] {
  return [...new Map(words.toReversed().map((one) => [one.word, one])).values()].toReversed()
}

function flagOf({ name, value, secret, negatable, alone, choices, path, help }: OptionRow): FlagWords[] {
  if (secret) return []
  const takes = value === undefined ? 'nothing' : choices.length > 0 ? 'choice' : path ? 'file' : 'text'
  const flag: FlagWords = {
    word: name,
    help: plain(help.split('. ')[0] ?? ''),
    takes,
    choices,
    alone: alone !== undefined,
  }
  const opposite: FlagWords = { ...flag, word: name.replace(/^--/, '--no-'), help: `Not: ${flag.help}` }
  return negatable ? [flag, opposite] : [flag]
}

const files = new Set([
  'path-to-backup',
  'container',
  'config',
  'config-file',
  'config-dir',
  'encrypt-pass-file',
])
const moreFiles = ['log-file', 'log-dir', 'metadata-out', 'restore-abs-path', 'ssh-key', 'osrc', 'os-cacert']
const agentChoices: Record<string, readonly string[]> = {
  action: ['backup', 'restore', 'info', 'admin', 'exec'],
  'dereference-symlink': ['none', 'soft', 'hard', 'all'],
  compression: ['gzip', 'bzip2', 'xz', 'zstd'],
}

function agentWords(): CommandWords {
  const known = Object.entries(flags).filter(([, { meaning }]) => 'to' in meaning || 'own' in meaning)
  return {
    word: '',
    help: '',
    next: [],
    flags: known.map(([name, { takes }]) => {
      const choices = agentChoices[name] ?? []
      const file = files.has(name) || moreFiles.includes(name)
      return {
        word: `--${name}`,
        help: name.replaceAll('-', ' '),
        takes: takes === 'value' ? (choices.length > 0 ? 'choice' : file ? 'file' : 'text') : 'nothing',
        choices,
        alone: false,
      }
    }),
  }
}
