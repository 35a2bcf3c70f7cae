/** A command line that is run without a shell: how its text becomes a program and its arguments. */
import { Failure } from './failures.ts'

/**
 * The words of a command, split as a shell splits them, and nothing more: white space parts words; `'…'` takes everything
 * as it is; in `"…"` a backslash stands before `"`, `\`, `$`, a backtick and the end of a line, and elsewhere before any
 * character. Nothing is expanded: `$HOME`, `~` and `*` are text. What a shell would act on outside quotes (`|`, `&`, `;`, `<`,
 * `>`) is refused, because who writes it expects a shell.
 *
 * @param text from a flag or an ini file
 * @throws Failure `usage` for no word at all, a quote without its end, or what needs a shell
 */
export function splitCommand(text: string): string[] {
  const [words = [], ...others] = splitPipeline(text)
  if (others.length > 0) throw needsShell('|')
  return words
}

/**
 * The same for programs whose output is the next one's input: `mysqldump db | grep -v '^--'`.
 * @returns the words of each, at least one
 * @throws Failure `usage`
 */
export function splitPipeline(text: string): string[][] {
  const parts: string[][] = [[]]
  let word: string | undefined
  const end = () => {
    if (word !== undefined) parts.at(-1)?.push(word)
    word = undefined
  }
  // One token: white space, the end of a line that goes on, a quoted part, an escaped character, any other one.
  const tokens =
    /(?<space>\s+)|\\\n|'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[^])*)"|\\(?<escaped>[^])|(?<plain>[^])/gu
  for (const { groups = {} } of text.matchAll(tokens)) {
    const { space, single, double, escaped, plain } = groups
    if (space !== undefined) end()
    else if (single !== undefined) word = (word ?? '') + single
    else if (double !== undefined) {
      word =
        (word ?? '') + double.replaceAll(/\\(?:\n|(["\\$`]))/g, (_, kept: string | undefined) => kept ?? '')
    } else if (escaped !== undefined) word = (word ?? '') + escaped
    else if (plain === '|') {
      end()
      parts.push([])
    } else if (plain === "'" || plain === '"' || plain === '\\') {
      const what = plain === '\\' ? 'ends with a backslash' : `has ${plain} without its end`
      throw new Failure('usage', `A command ${what}.`)
    } else if (plain !== undefined && '&;<>'.includes(plain)) throw needsShell(plain)
    else if (plain !== undefined) word = (word ?? '') + plain
  }
  end()
  if (parts.some((part) => part.length === 0 || part[0] === '')) {
    // Two of them are no empty pipe, but a shell's "or".
    if (parts.length > 1) throw needsShell('|')
    throw new Failure('usage', 'A command is empty.')
  }
  return parts
}

function needsShell(what: string): Failure {
  return new Failure('usage', `A command has ${what} outside quotes, and is run without a shell.`, {
    remedy: `Put quotes around ${what}, or run a shell yourself: sh -c '…'.`,
  })
}
