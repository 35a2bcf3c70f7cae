// The pages that scripts/docs.ts writes: Markdown for who reads it in the repository, and roff for the program man.
import { failureTable } from '@freezer/sdk'
import { flags } from '../core/src/agent/flags.ts'
import type { CommandPage, manual, OptionRow, OptionSection } from '../core/src/manual.ts'

type Manual = Awaited<ReturnType<typeof manual>>

/** `-N, --backup-name=NAME`. */
function spelling({ name, short, value, negatable, alone }: OptionRow): string {
  const long = negatable ? name.replace(/^--/, '--[no-]') : name
  const valued = value === undefined ? long : alone === undefined ? `${long}=${value}` : `${long}[=${value}]`
  return short === undefined ? valued : `${short}, ${valued}`
}

function meaning(row: OptionRow): string {
  const notes = [
    row.required ? 'Required.' : '',
    row.alone === undefined ? '' : `Alone it means ${row.alone}.`,
    row.choices.length === 0 || row.value === row.choices.join('|')
      ? ''
      : `One of ${row.choices.join(', ')}.`,
    row.default === undefined ? '' : `Default: ${row.default}.`,
    row.secret ? `A secret: in an ini file, or as FREEZER_${row.name.toUpperCase()}.` : '',
  ]
  return [row.help, ...notes].filter((note) => note !== '').join(' ')
}

/** Sections of providers, each once, with the commands that take them. */
function providers({ pages }: Manual): { section: OptionSection; commands: string[] }[] {
  const found = new Map<string, { section: OptionSection; commands: string[] }>()
  for (const { name, groups } of pages) {
    for (const section of groups) {
      // A mode has other options for a restore than for a backup.
      const one = found.get(section.title) ?? { section: { title: section.title, options: [] }, commands: [] }
      const more = section.options.filter(({ name: own }) =>
        one.section.options.every((other) => other.name !== own),
      )
      one.section = { title: section.title, options: [...one.section.options, ...more] }
      one.commands.push(name)
      found.set(section.title, one)
    }
  }
  return [...found.values()]
}

const general = 'Options of all commands'
const intro =
  'An option can stand on the command line, in the ini file of --config (max_level = 6), or in the environment ' +
  '(FREEZER_MAX_LEVEL=6); the command line wins over the file, the file over the environment.'

export function commandsMarkdown(all: Manual): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
  const table = (rows: readonly OptionRow[]) => [
    '| Option | Meaning |',
    '|---|---|',
    ...rows.map((row) => `| \`${spelling(row).replaceAll('|', '\\|')}\` | ${cell(meaning(row))} |`),
  ]
  const command = (page: CommandPage) => [
    `## freezer ${page.name}`,
    '',
    page.summary,
    ...(page.description === '' ? [] : ['', page.description]),
    '',
    '```',
    `freezer ${page.usage}`,
    ...page.positional.map(({ label, help }) => `  ${label}: ${help}`),
    '```',
    '',
    ...table(page.own),
    ...takes(page).map((line) => `\n${line}`),
    '',
    'Examples:',
    '',
    '```',
    ...page.examples,
    '```',
    '',
  ]
  return `${[
    '# Commands',
    '',
    '<!-- Written by "npm run docs" from the declarations of the options. -->',
    '',
    intro.replaceAll(/--config|\(?(?:max_level = 6|FREEZER_MAX_LEVEL=6)/g, (code) =>
      code.startsWith('(') ? `(\`${code.slice(1)}\`` : `\`${code}\``,
    ),
    '',
    ...all.pages.map(
      ({ name, summary }) => `- [freezer ${name}](#freezer-${name.replaceAll(' ', '-')}): ${summary}`,
    ),
    '',
    ...all.pages.flatMap(command),
    `## ${general}`,
    '',
    ...table(all.general),
    '',
    '## Options of plugins',
    '',
    ...providers(all).flatMap(({ section, commands }) => [
      `### ${section.title}`,
      '',
      `Taken by ${commands.join(', ')}.`,
      '',
      ...table(section.options),
      '',
    ]),
  ]
    .join('\n')
    .trimEnd()}\n`
}

/** Whose options a command takes beside its own. */
function takes({ groups }: CommandPage): string[] {
  const titles = groups.map(({ title }) => title)
  return titles.length === 0 ? [] : [`And options of what it uses: ${titles.join(', ')}.`]
}

/** Text of roff: nothing in it is taken for a request or an escape. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1')
}

function header(name: string, section = 1): string[] {
  return [
    '.\\" Written by "npm run docs" from the declarations of the options.',
    `.TH ${name.toUpperCase()} ${section} "" "Freezer" "Freezer"`,
  ]
}

const listed = (rows: readonly OptionRow[]) =>
  rows.flatMap((row) => ['.TP', `\\fB${roff(spelling(row))}\\fR`, roff(meaning(row))])

export function manualPages(all: Manual): { name: string; text: string }[] {
  const example = (lines: readonly string[]) => [
    '.PP',
    'Examples:',
    '.PP',
    '.nf',
    '.RS',
    ...lines.map(roff),
    '.RE',
    '.fi',
  ]
  const main = [
    ...header('freezer'),
    '.SH NAME',
    'freezer \\- backs up directories and brings them back',
    '.SH SYNOPSIS',
    ...all.pages.flatMap(({ usage }) => [`\\fBfreezer\\fR ${roff(usage)}`, '.br']),
    '.SH DESCRIPTION',
    roff(intro),
    '.SH COMMANDS',
    ...all.pages.flatMap((page) => [
      `.SS freezer ${roff(page.name)}`,
      roff(page.summary),
      ...(page.description === '' ? [] : ['.PP', roff(page.description)]),
      ...page.positional.flatMap(({ label, help }) => ['.TP', `\\fI${roff(label)}\\fR`, roff(help)]),
      ...listed(page.own),
      ...takes(page).flatMap((line) => ['.PP', roff(line)]),
      ...example(page.examples),
    ]),
    `.SH ${general.toUpperCase()}`,
    ...listed(all.general),
    '.SH OPTIONS OF PLUGINS',
    ...providers(all).flatMap(({ section }) => [`.SS ${roff(section.title)}`, ...listed(section.options)]),
    '.SH EXIT STATUS',
    '.TP',
    '0',
    'success',
    ...Object.entries(failureTable)
      .toSorted(([, a], [, b]) => a.exit - b.exit)
      .flatMap(([code, { exit }]) => ['.TP', String(exit), roff(code)]),
  ]
  const agent = [
    ...header('freezer-agent'),
    '.SH NAME',
    'freezer\\-agent \\- the command line of the Python Freezer, carried out by freezer',
    '.SH SYNOPSIS',
    '\\fBfreezer\\-agent\\fR [\\-\\-action backup|restore|info|admin|exec] [\\fIFLAGS\\fR]',
    '.SH DESCRIPTION',
    roff('Every option of freezer backup, restore, info, list and prune is taken too; see freezer(1).'),
    '.SH FLAGS',
    ...Object.entries(flags).flatMap(([name, { short, aliases = [], takes: form, meaning: what }]) => [
      '.TP',
      `\\fB${roff(
        [
          ...(short === undefined ? [] : [`-${short}`]),
          `--${name}${{ value: '=VALUE', nothing: '', maybe: '[=true|false]' }[form]}`,
          ...aliases.map((alias) => `--${alias}`),
        ].join(', '),
      )}\\fR`,
      roff(
        'ignored' in what
          ? `Without effect: ${what.ignored}.`
          : 'refused' in what
            ? `Refused: ${what.refused}. ${what.instead}`
            : 'to' in what && typeof what.to === 'string'
              ? `${what.to.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} of freezer.`
              : 'As it was.',
      ),
    ]),
    '.SH SEE ALSO',
    'freezer(1)',
  ]
  return [
    { name: 'freezer.1', text: `${main.join('\n')}\n` },
    { name: 'freezer-agent.1', text: `${agent.join('\n')}\n` },
  ]
}
