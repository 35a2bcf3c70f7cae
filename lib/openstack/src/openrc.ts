/**
 * The variables of an openrc file, without a shell: assignments, with or without `export`, several on a line, quoted as a
 * shell quotes, with the values of variables that the file itself set before. Other commands are passed over.
 */
import { Failure } from '@freezer/sdk'

/** A word, as far as it can be told without a shell. */
interface Word {
  readonly text: string
  /** Nothing of it was quoted, so it may be a keyword or the name in an assignment. */
  readonly plain: boolean
  /** It depends on what only a shell knows: a command, a variable of another place. */
  readonly open: boolean
}

type Variable = { readonly value: string } | { readonly openAt: number }

const exporting = ['export', 'declare', 'typeset', 'readonly']
const opening = new Set(['if', 'for', 'while', 'until', 'case', '{', '('])
const closing = new Set(['fi', 'done', 'esac', '}', ')'])

/**
 * The variables that begin with `OS_` or `ST_`.
 * @param file for messages
 * @param given what is known from elsewhere: a file that asks for the password may stay as it is when there is one
 * @throws Failure `configuration` for any other whose value a shell would have to work out
 */
export function parseOpenrc(
  text: string,
  file: string,
  given: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, string> {
  const variables = new Map<string, Variable>()
  let depth = 0
  for (const { words, line } of statements(text, (name) => variables.get(name))) {
    const [first] = words
    if (first?.plain === true && opening.has(first.text)) depth++
    if (first?.plain === true && closing.has(first.text)) depth--
    const start = [...exporting, 'then', 'else', 'do'].includes(first?.text ?? '') ? 1 : 0
    if (first?.plain === true && first.text === 'unset' && depth === 0) {
      for (const { text: name } of words.slice(1)) variables.delete(name)
    }
    const after = words[1]?.text === 'export' ? 2 : start
    for (const word of words.slice(after)) {
      const assignment = /^([A-Za-z_]\w*)(\+?)=/.exec(word.text)
      const name = assignment?.[1]
      if (assignment === null || name === undefined) {
        if (exporting.includes(first?.text ?? '')) continue
        break
      }
      const value = word.text.slice(assignment[0].length)
      const isOpen = word.open || depth > 0 || assignment[2] === '+'
      variables.set(name, isOpen ? { openAt: line } : { value })
    }
  }
  const found = new Map<string, string>()
  for (const [name, variable] of variables) {
    if (!/^(?:OS|ST)_/.test(name) || given.has(name)) continue
    if ('openAt' in variable) {
      throw new Failure(
        'configuration',
        `${file} line ${variable.openAt}: only a shell could tell the value of ${name}.`,
        {
          remedy: /PASSWORD|SECRET|KEY|TOKEN/.test(name)
            ? 'Write the value there, or give it with --os-password-file.'
            : 'Write the value there.',
        },
      )
    }
    if (variable.value !== '') found.set(name, variable.value)
  }
  return found
}

interface Statement {
  readonly words: readonly Word[]
  /** From 1: where it begins. */
  readonly line: number
}

/** What a shell would run one after the other, cut into words (POSIX.1-2024, Shell Command Language, 2.2 and 2.3). */
function* statements(
  text: string,
  variable: (name: string) => Variable | undefined,
): Generator<Statement, void> {
  let at = 0
  let line = 1
  let words: Word[] = []
  let word: { text: string; plain: boolean; open: boolean } | undefined
  let begun = 1

  const current = () => {
    if (words.length === 0 && word === undefined) begun = line
    word ??= { text: '', plain: true, open: false }
    return word
  }
  const endWord = () => {
    if (word !== undefined) words.push(word)
    word = undefined
  }
  /** `$NAME`, `${NAME}`; anything else after a `$` is for a shell to work out. */
  const expand = () => {
    const target = current()
    const match = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/.exec(text.slice(at, at + 300))
    if (match === null) {
      if (/^\$[({\w@*#?!$-]/.test(text.slice(at, at + 2))) target.open = true
      target.text += '$'
      at++
      return
    }
    const known = variable(match[1] ?? match[2] ?? '')
    if (known === undefined || 'openAt' in known) target.open = true
    else target.text += known.value
    at += match[0].length
  }

  for (; at < text.length; ) {
    const char = text[at] as string
    if (char === '\\') {
      const next = text[at + 1] ?? ''
      if (next !== '\n') {
        const target = current()
        target.text += next
        target.plain = false
      } else line++
      at += 2
    } else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      const quoted = text.slice(at + 1, end === -1 ? text.length : end)
      const target = current()
      target.text += quoted
      if (!target.text.includes('=')) target.plain = false
      if (end === -1) target.open = true
      line += quoted.split('\n').length - 1
      at = end === -1 ? text.length : end + 1
    } else if (char === '"') {
      at++
      const target = current()
      if (!target.text.includes('=')) target.plain = false
      while (at < text.length && text[at] !== '"') {
        const inner = text[at] as string
        if (inner === '\\' && /["\\$`\n]/.test(text[at + 1] ?? '')) {
          target.text += text[at + 1] === '\n' ? '' : text[at + 1]
          at += 2
        } else if (inner === '$') expand()
        else {
          if (inner === '`') target.open = true
          if (inner === '\n') line++
          target.text += inner
          at++
        }
      }
      if (at >= text.length) target.open = true
      at++
    } else if (char === '$') {
      // Quotes of a kind that not every shell knows.
      if (/['"]/.test(text[at + 1] ?? '')) current().open = true
      expand()
    } else if (char === '`') {
      current().open = true
      at++
    } else if (char === '#' && word === undefined) {
      while (at < text.length && text[at] !== '\n') at++
    } else if (/[\s;&|]/.test(char)) {
      endWord()
      if (/[\n;&|]/.test(char)) {
        if (words.length > 0) yield { words, line: begun }
        words = []
      }
      if (char === '\n') line++
      at++
    } else {
      current().text += char
      at++
    }
  }
  endWord()
  if (words.length > 0) yield { words, line: begun }
}
