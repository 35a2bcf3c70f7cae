/** The arguments of freezer-agent, read as the Python Freezer read its own. */
import { Failure } from '@freezer/sdk'
import { nearest } from '../nearest.ts'
import { allFlagNames, type Flag, flagLettered, flagNamed } from './flags.ts'

/** One flag as it was given. */
export interface Given {
  /** Its name in the table. */
  readonly name: string
  /** `true` and `false` for one that takes nothing. */
  readonly value: string
  /** As it was written. */
  readonly written: string
}

export interface Arguments {
  readonly given: readonly Given[]
  /** Flags that only our own commands know, with what follows them, for their parser. */
  readonly others: readonly string[]
}

const spokenTruth = /^(?:true|false|yes|no|on|off|0|1|none)$/i

/**
 * Names may be written with `-` and `_`, values after `=` or as the next word. A boolean flag has a `--no` form.
 *
 * @param known whether our own commands have an option of this long name
 * @throws Failure `usage`
 */
export function readArguments(argv: readonly string[], known: (name: string) => boolean): Arguments {
  const given: Given[] = []
  const others: string[] = []
  const words = [...argv]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
    const short = /^-([A-Za-z])(.*)$/s.exec(word)
    if (long !== null) {
      const name = (long[1] ?? '').replaceAll('_', '-').toLowerCase()
      const found = flagNamed(name)
      const negated = found === undefined ? negatedFlag(name) : undefined
      if (found !== undefined) given.push(read(found, `--${name}`, long[2], words))
      else if (negated !== undefined && long[2] === undefined) {
        given.push({ name: negated, value: 'false', written: `--${name}` })
      } else if (known(name)) {
        others.push(long[2] === undefined ? `--${name}` : `--${name}=${long[2]}`)
        if (long[2] === undefined && words[0] !== undefined && !words[0].startsWith('-')) {
          others.push(words.shift() ?? '')
        }
      } else throw unknown(`--${name}`, nearest(name, allFlagNames()))
    } else if (short !== null) {
      const [, letter = '', rest = ''] = short
      const found = flagLettered(letter)
      if (found === undefined) throw unknown(`-${letter}`, undefined)
      if (found.flag.takes === 'nothing') {
        given.push({ name: found.name, value: 'true', written: `-${letter}` })
        if (rest !== '') words.unshift(`-${rest}`)
      } else given.push(read(found, `-${letter}`, rest === '' ? undefined : rest.replace(/^=/, ''), words))
    } else {
      throw new Failure('usage', `Unexpected argument: ${word}.`, { remedy: 'See freezer-agent --help.' })
    }
  }
  return { given, others }
}

/** The value of a flag: what stands after `=`, or the next word. */
function read(
  { name, flag }: { readonly name: string; readonly flag: Flag },
  written: string,
  joined: string | undefined,
  words: string[],
): Given {
  if (joined !== undefined) return { name, value: joined, written }
  const next = words[0]
  if (flag.takes === 'nothing') return { name, value: 'true', written }
  if (flag.takes === 'maybe') {
    const says = next !== undefined && spokenTruth.test(next)
    return { name, value: says ? (words.shift() ?? '') : 'true', written }
  }
  if (next === undefined || next.startsWith('--')) {
    throw new Failure('usage', `${written} needs a value.`, {
      remedy: next === undefined ? undefined : `One that begins with a dash is written ${written}=VALUE.`,
    })
  }
  return { name, value: words.shift() ?? '', written }
}

/** `no-sync` and `nosync` → `sync`. */
function negatedFlag(name: string): string | undefined {
  const found = /^no-?(.+)$/.exec(name)?.[1]
  const flag = found === undefined ? undefined : flagNamed(found)
  return flag === undefined || flag.flag.takes === 'value' ? undefined : flag.name
}

function unknown(written: string, meant: string | undefined): Failure {
  return new Failure('usage', `There is no option ${written}.`, {
    remedy: meant === undefined ? 'See freezer-agent --help.' : `Perhaps --${meant} is meant.`,
  })
}
