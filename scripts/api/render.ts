/** Exported names as Markdown: the report, which shows changes, and the reference, which explains. */
import ts from 'typescript'
import type { EntryPoint, Exported } from './exports.ts'

/** Every declaration without its comments, by name: what a change of the API changes. */
export function report(entries: readonly EntryPoint[]): string {
  const lines = [
    '# What can be imported',
    '',
    'Written by `npm run api`; a change here is a change of the API. Conflicts in it are solved by running that again.',
  ]
  for (const { specifier, exports, hidden } of entries) {
    lines.push('', `## ${specifier}`, '', '```ts')
    lines.push(
      ...exports.toSorted(byName).flatMap(({ declarations }) => declarations.map((one) => print(one, false))),
    )
    lines.push('```')
    if (hidden.length > 0) lines.push('', `Mentioned, and not to be imported: ${hidden.join(', ')}.`)
  }
  return `${lines.join('\n')}\n`
}

/** Every name with its docstring, grouped by the module that declares it. */
export function reference({ specifier, exports }: EntryPoint): string {
  const groups = [...Map.groupBy(exports, ({ file }) => file)]
    .map(([file, members]) => ({
      title: file.replace(/^src\//, '').replace(/\.d\.ts$/, ''),
      members: members.sort(byPlace),
    }))
    .sort((a, b) => rank(a.title) - rank(b.title) || (a.title < b.title ? -1 : 1))
  const anchor = anchors()
  anchor(specifier)
  const contents: string[] = []
  const text: string[] = []
  for (const { title, members } of groups) {
    anchor(title)
    text.push('', `## ${title}`, ...members.flatMap((one) => ['', ...explain(one)]))
    const links = members.map(({ name }) => `[${name}](#${anchor(name)})`)
    contents.push('', `**${title}**: ${links.join(', ')}`)
  }
  const head = [`# ${specifier}`, '', 'Written by `npm run api` from the comments in the source.']
  return `${[...head, ...contents, ...text].join('\n')}\n`
}

/** What one does comes first, then what a plugin promises. */
function rank(title: string): number {
  return title === 'verbs' ? 0 : title.startsWith('contracts/') ? 1 : 2
}

/** The names under which headings can be linked to, asked for in their order. */
function anchors(): (heading: string) => string {
  const used = new Map<string, number>()
  return (heading) => {
    const plain = heading.toLowerCase().replaceAll(/[^\w-]/g, '')
    const before = used.get(plain) ?? 0
    used.set(plain, before + 1)
    return before === 0 ? plain : `${plain}-${before}`
  }
}

function byName(a: Exported, b: Exported): number {
  return a.name < b.name ? -1 : 1
}

function byPlace(a: Exported, b: Exported): number {
  return (a.declarations[0]?.pos ?? 0) - (b.declarations[0]?.pos ?? 0)
}

function explain({ name, documentation, tags, declarations }: Exported): string[] {
  const lines = [`### ${name}`]
  if (documentation !== '') lines.push('', documentation)
  if (tags.length > 0) lines.push('')
  for (const tag of tags)
    lines.push(`- *${tag.name}* ${ts.displayPartsToString(tag.text).replaceAll('\n', '\n  ')}`)
  return [...lines, '', '```ts', ...declarations.map((one) => print(one, true)), '```']
}

/** A declaration as one writes it. */
function print(declaration: ts.Declaration, comments: boolean): string {
  const source = declaration.getSourceFile()
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const text = comments
    ? source.text.slice(statement.getStart(source), statement.end)
    : ts.createPrinter({ removeComments: true }).printNode(ts.EmitHint.Unspecified, statement, source)
  return text
    .replace(/^export (?:default )?(?:declare )?/, '')
    .replaceAll(/^( {4})+/gm, (indent) => ' '.repeat(indent.length / 2))
}
