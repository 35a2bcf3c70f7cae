import { Random } from './random.ts'

type Token = Uint8Array

const CONSONANTS = [...'bcdfghklmnprstvwz']
const VOWELS = [...'aeiou']
const SYNTAX = (
  "return ~const ~if (~) {~}~= ~=> ~; ~, ~. ~this.~ === ~(~) ~[0]~!~+ ~null~true~false~0~1~''~await ~new ~" +
  'throw new Error(~for (const ~ of ~else ~&& ~|| ~export function ~import { ~ } from "./~readonly ~: string~' +
  ': number~/** ~ */~// ~undefined~switch (~case ~break~.length~.push(~.map((~try {~} catch (error) {~?? '
)
  .split('~')
  .map((text) => Buffer.from(text))

const PROSE = vocabulary(12_000, 'prose', false)
const NAMES = vocabulary(7_000, 'names', true)
const BREAKS = ['.\n', '.\n\n', ',\n', '\n', '\n', '\n'].map((text) => Buffer.from(text))
const INDENTS = Array.from({ length: 9 }, (_, depth) => Buffer.from(`\n${'  '.repeat(depth)}`))

function token(text: string): Token {
  return Buffer.from(`${text} `)
}

function vocabulary(count: number, key: string, compound: boolean): readonly Token[] {
  const random = new Random('vocabulary', key)
  const words = new Set<string>()
  while (words.size < count) {
    let made = ''
    for (let syllables = 2 + random.below(3); syllables > 0; syllables--) {
      const start = random.pick(CONSONANTS)
      made += compound && made !== '' && random.below(4) === 0 ? start.toUpperCase() : start
      made += random.pick(VOWELS)
      if (random.below(3) === 0) made += random.pick(CONSONANTS)
    }
    words.add(made)
  }
  return [...words].map(token)
}

/** A name as a programmer gives it, for files and directories. */
export function name(random: Random): string {
  return Buffer.from(random.pick(NAMES)).toString().trimEnd()
}

function fill(size: number, next: () => Token): Buffer {
  const text = Buffer.allocUnsafe(size)
  let end = 0
  while (end < size) {
    const piece = next()
    const length = Math.min(piece.length, size - end)
    for (let i = 0; i < length; i++) text[end + i] = piece[i] ?? 0
    end += length
  }
  return text
}

/** `size` bytes of sentences. */
export function prose(size: number, random: Random): Buffer {
  return fill(size, () => (random.below(13) === 0 ? random.pick(BREAKS) : random.pickCommon(PROSE)))
}

/** `size` bytes that read like a program: indented lines of syntax and of names, most of them local to the text. */
export function source(size: number, random: Random): Buffer {
  const locals = Array.from({ length: 28 }, () => random.pick(NAMES))
  let left = 0
  let depth = 0
  return fill(size, () => {
    if (left-- === 0) {
      left = 3 + random.below(8)
      depth = Math.max(0, Math.min(8, depth + random.below(3) - 1))
      return INDENTS[depth] ?? Buffer.from('\n')
    }
    const choice = random.below(16)
    if (choice < 7) return random.pickCommon(SYNTAX)
    return choice < 14 ? random.pickCommon(locals) : random.pickCommon(NAMES)
  })
}

/** `size` bytes of one JSON object a line, all with the same keys: what programs export and log. */
export function records(size: number, random: Random): Buffer {
  const keys = Array.from({ length: 8 }, () => name(random))
  let id = random.below(1_000_000)
  return fill(size, () => {
    let line = `{"id":${id++}`
    for (const key of keys) {
      const value =
        random.below(2) === 0 ? random.below(10_000_000) : `"${wordOf(random)}-${random.below(4000)}"`
      line += `,"${key}":${value}`
    }
    return Buffer.from(`${line}}\n`)
  })
}

/** A word of a language, the common ones more often, with the space that follows it. */
export function word(random: Random): Token {
  return random.pickCommon(PROSE)
}

function wordOf(random: Random): string {
  return Buffer.from(word(random)).toString().trimEnd()
}
