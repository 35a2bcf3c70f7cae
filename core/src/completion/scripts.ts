/** Scripts that complete our programs in a shell. They hold all words: nothing of ours is started while somebody types. */
import { type CommandWords, type FlagWords, type Program } from './words.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export function completionScript(shell: Shell, programs: readonly Program[]): string {
  const write = { bash, zsh, fish }[shell]
  return `${[`# Completion of ${shell} for ${programs.map(({ name }) => name).join(' and ')}.`, ...programs.flatMap(write)].join('\n')}\n`
}

const functionName = ({ name }: Program) => `_${name.replaceAll('-', '_')}`
const list = (words: readonly string[]) => `'${words.join(' ')}'`

/** Flags by what follows them. */
function taking({ flags }: CommandWords, takes: FlagWords['takes']): FlagWords[] {
  return flags.filter((flag) => flag.takes === takes && !flag.alone)
}

/** Finds, in the words before the cursor, which command it is; for bash and zsh. */
function findCommand({ commands }: Program, words: string, begin: number, current: string): string[] {
  const names = commands.map(({ word }) => `'${word}'`).join('|')
  return [
    `  for ((i = ${begin}; i < ${current}; i++)); do`,
    `    case "\${command:+$command }\${${words}[i]}" in`,
    `      ${names}) command="\${command:+$command }\${${words}[i]}" ;;`,
    '    esac',
    '  done',
  ]
}

function bash(program: Program): string[] {
  const name = functionName(program)
  return [
    '',
    `${name}() {`,
    // bash takes --flag=value for three words.
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= flags= next= joined= i',
    '  if [[ $cur == = ]]; then joined=1; cur=',
    '  elif [[ $prev == = ]]; then joined=1; prev=${COMP_WORDS[COMP_CWORD-2]}; fi',
    '  COMPREPLY=()',
    ...findCommand(program, 'COMP_WORDS', 1, 'COMP_CWORD'),
    '  case "$command" in',
    ...program.commands.flatMap((command) => [
      `    '${command.word}')`,
      `      flags=${list(command.flags.map(({ word }) => word))}`,
      `      next=${list(command.next.map(({ word }) => word))}`,
      '      case "$prev" in',
      ...command.flags.flatMap(({ word, takes, choices, alone }) => {
        if (takes !== 'choice') return []
        const when = alone ? '[[ -n $joined ]] && ' : ''
        return [
          `        ${word}) ${when}{ COMPREPLY=($(compgen -W ${list(choices)} -- "$cur")); return; } ;;`,
        ]
      }),
      ...branch(
        taking(command, 'file'),
        '{ compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$cur")); return; }',
      ),
      ...branch(taking(command, 'text'), 'return'),
      '      esac ;;',
    ]),
    '  esac',
    '  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$cur"))',
    '  elif [[ -n $next ]]; then COMPREPLY=($(compgen -W "$next" -- "$cur"))',
    '  else compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$cur")); fi',
    '}',
    `complete -F ${name} ${program.name}`,
  ]
}

/** A branch of a `case` for all of `flags`. */
function branch(flags: readonly FlagWords[], then: string): string[] {
  return flags.length === 0 ? [] : [`        ${flags.map(({ word }) => word).join('|')}) ${then} ;;`]
}

function zsh(program: Program): string[] {
  const name = functionName(program)
  const described = (words: readonly { word: string; help: string }[]) =>
    words.map(({ word, help }) => `'${word}:${help.replaceAll(':', '\\:')}'`).join(' ')
  return [
    '',
    `${name}() {`,
    '  local cur=${words[CURRENT]} prev=${words[CURRENT-1]} command= i',
    '  local -a flags next',
    ...findCommand(program, 'words', 2, 'CURRENT'),
    // --flag=value is one word here: what is before = is set aside.
    '  if [[ $cur == --*=* ]]; then prev=${cur%%=*}; compset -P 1 "*="; fi',
    '  case "$command" in',
    ...program.commands.flatMap((command) => [
      `    '${command.word}')`,
      `      flags=(${described(command.flags)})`,
      `      next=(${described(command.next)})`,
      '      case "$prev" in',
      ...command.flags.flatMap(({ word, takes, choices, alone }) => {
        if (takes !== 'choice') return []
        const when = alone ? '[[ $cur == --*=* ]] && ' : ''
        return [`        ${word}) ${when}{ compadd -- ${choices.join(' ')}; return; } ;;`]
      }),
      ...branch(taking(command, 'file'), '{ _files; return; }'),
      ...branch(taking(command, 'text'), 'return'),
      '      esac ;;',
    ]),
    '  esac',
    "  if [[ $cur == -* ]]; then _describe -o 'option' flags",
    "  elif (( ${#next} )); then _describe 'command' next",
    '  else _files; fi',
    '}',
    `compdef ${name} ${program.name}`,
  ]
}

function fish(program: Program): string[] {
  const name = functionName(program)
  const quoted = (text: string) => `'${text}'`
  return [
    '',
    `function _${name}_at`,
    '  set -l command',
    '  for word in (commandline -opc)[2..-1]',
    '    set -l longer (string join -- " " $command $word)',
    `    contains -- $longer ${program.commands.map(({ word }) => quoted(word)).join(' ')}; and set command $longer`,
    '  end',
    '  test "$command" = "$argv[1]"',
    'end',
    ...program.commands.flatMap(({ word: command, flags, next }) => {
      const at = `complete -c ${program.name} -n "_${name}_at '${command}'"`
      return [
        ...(next.length === 0 ? [] : [`${at} -f`]),
        ...next.map(({ word, help }) => `${at} -a ${quoted(word)} -d ${quoted(help)}`),
        ...flags.map(({ word, help, takes, choices, alone }) => {
          const value = alone || takes === 'nothing' ? '' : takes === 'file' ? ' -rF' : ' -x'
          const from = takes === 'choice' ? ` -a ${quoted(choices.join(' '))}` : ''
          return `${at} -l ${word.slice(2)}${value}${alone ? '' : from} -d ${quoted(help)}`
        }),
      ]
    }),
  ]
}
