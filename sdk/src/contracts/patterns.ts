/**
 * Paths by patterns, as `GNU tar --exclude` reads them: shell patterns whose wildcards match `/` too, tried at the start
 * of the member's name and after each `/`; a directory that matches goes with all that is in it.
 */
import { displayPath } from './entry.ts'

const special = /[\\^$.*+?()[\]{}|/-]/g
const literal = (text: string) =>
  text.replace(special, (character) => `\\x${character.charCodeAt(0).toString(16)}`)

const classes: Record<string, string> = {
  alpha: '\\p{L}',
  digit: '0-9',
  alnum: '\\p{L}\\p{N}',
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  space: '\\s',
  blank: ' \\t',
  punct: '\\p{P}\\p{S}',
  cntrl: '\\p{Cc}',
  xdigit: '0-9A-Fa-f',
  graph: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}',
  print: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S} ',
}

/** The bracket expression that begins at `start`, and where it ends; undefined when `[` stands for itself. */
function bracket(pattern: string, start: number): { source: string; end: number } | undefined {
  let at = start + 1
  const negated = pattern[at] === '!' || pattern[at] === '^'
  if (negated) at++
  let members = ''
  for (let first = true; ; first = false) {
    const character = characterAt(pattern, at)
    if (character === undefined) return undefined
    if (character === ']' && !first) break
    const named = /^\[:([a-z]+):\]/.exec(pattern.slice(at))
    const known = classes[named?.[1] ?? '']
    if (named !== null && known !== undefined) {
      members += known
      at += named[0].length
      continue
    }
    const from = member(pattern, at)
    if (from === undefined) return undefined
    at = from.end
    if (pattern[at] === '-' && pattern[at + 1] !== ']' && pattern[at + 1] !== undefined) {
      const to = member(pattern, at + 1)
      if (to === undefined) return undefined
      at = to.end
      if ((from.character.codePointAt(0) ?? 0) <= (to.character.codePointAt(0) ?? 0)) {
        members += `${literal(from.character)}-${literal(to.character)}`
      }
    } else {
      members += literal(from.character)
    }
  }
  return { source: `[${negated ? '^' : ''}${members}]`, end: at + 1 }
}

function characterAt(text: string, at: number): string | undefined {
  const point = text.codePointAt(at)
  return point === undefined ? undefined : String.fromCodePoint(point)
}

function member(pattern: string, at: number): { character: string; end: number } | undefined {
  const escaped = pattern[at] === '\\'
  const character = characterAt(pattern, escaped ? at + 1 : at)
  return character === undefined ? undefined : { character, end: at + character.length + (escaped ? 1 : 0) }
}

function translate(pattern: string): string {
  let source = ''
  for (let at = 0; at < pattern.length; ) {
    const character = characterAt(pattern, at) as string
    at += character.length
    if (character === '*') source += '.*'
    else if (character === '?') source += '.'
    else if (character === '\\') {
      const escaped = characterAt(pattern, at)
      // A pattern that ends in a backslash matches nothing.
      if (escaped === undefined) return '(?!)'
      source += literal(escaped)
      at += escaped.length
    } else {
      const set = character === '[' ? bracket(pattern, at - 1) : undefined
      source += set?.source ?? literal(character)
      at = set?.end ?? at
    }
  }
  return source
}

/** Whether a pattern matches a path (a byte string, relative to the root of the tree) or a directory that it is in. */
export type Matches = (path: string) => boolean

/** The test that `patterns` make; undefined when there is none. */
export function matcher(patterns: readonly string[]): Matches | undefined {
  if (patterns.length === 0) return undefined
  const expression = new RegExp(`(?:^|/)(?:${patterns.map(translate).join('|')})(?:/|$)`, 'su')
  return (path) => expression.test(`./${displayPath(path)}`)
}

/**
 * The test that a search makes: a pattern without `/` is matched with the last name of a path, as `find -name` does, and
 * one with `/` with the whole path, as `find -path` does. `*` and `?` match `/` and a leading dot too.
 */
export function searcher(pattern: string, ignoreCase = false): Matches {
  const whole = pattern.includes('/')
  const wanted = pattern.replace(/^(?:\.?\/+)+/, '').replace(/(?<=[^\\/])\/+$/, '')
  const expression = new RegExp(`^${translate(wanted)}$`, ignoreCase ? 'siu' : 'su')
  return (path) => expression.test(displayPath(whole ? path : path.slice(path.lastIndexOf('/') + 1)))
}
