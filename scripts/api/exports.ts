/** What the packages that others build on export, read from their built declarations. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/** A name that can be imported. */
export interface Exported {
  readonly name: string
  /** From the folder of the package: `src/contracts/codec.d.ts`. */
  readonly file: string
  readonly declarations: readonly ts.Declaration[]
  readonly documentation: string
  readonly tags: readonly ts.JSDocTagInfo[]
}

/** One place to import from: `@freezer/sdk/testing`. */
export interface EntryPoint {
  readonly specifier: string
  /** Folder of the package, from the root. */
  readonly folder: string
  readonly exports: readonly Exported[]
  /** Names of our own that declarations mention and that nobody can import from here. */
  readonly hidden: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string>>
}

/** @throws Error when something was not built */
export function entryPoints(root: string): EntryPoint[] {
  const places = ['sdk', ...globSync('lib/*', { cwd: root }).sort()].flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Manifest
    return (
      Object.entries(manifest.exports)
        // Threads export nothing.
        .filter(([key, file]) => file.endsWith('.js') && !key.endsWith('-thread'))
        .map(([key, file]) => ({
          specifier: path.posix.join(manifest.name, key),
          folder,
          file: path.join(root, folder, file.replace(/\.js$/, '.d.ts')),
        }))
    )
  })
  const program = ts.createProgram(
    places.map(({ file }) => file),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2024,
      skipLibCheck: true,
      types: ['node'],
    },
  )
  const checker = program.getTypeChecker()
  const modules = places.map((place) => {
    const source = program.getSourceFile(place.file)
    const module = source && checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${place.file} is not there, or exports nothing: build first.`)
    const symbols = checker.getExportsOfModule(module)
    return {
      ...place,
      symbols: symbols.map((symbol) => ({ name: symbol.name, symbol: resolved(checker, symbol) })),
    }
  })
  const known = new Set(modules.flatMap(({ symbols }) => symbols.map(({ symbol }) => symbol)))
  return modules.map(({ specifier, folder, symbols }) => ({
    specifier,
    folder,
    exports: symbols.map(({ name, symbol }) => describe(checker, name, symbol, path.join(root, folder))),
    hidden: hiddenNames(
      checker,
      symbols.map(({ symbol }) => symbol),
      known,
      root,
    ),
  }))
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function describe(checker: ts.TypeChecker, name: string, symbol: ts.Symbol, folder: string): Exported {
  const declarations = symbol.declarations ?? []
  const [first] = declarations
  if (first === undefined) throw new Error(`${name} is declared nowhere.`)
  return {
    name,
    file: path.relative(path.join(folder, 'dist'), first.getSourceFile().fileName),
    declarations,
    documentation: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
    tags: symbol.getJsDocTags(checker),
  }
}

/** Names of types of this checkout that `exported` mention, directly or through each other, beyond those that are `known`. */
function hiddenNames(
  checker: ts.TypeChecker,
  exported: readonly ts.Symbol[],
  known: ReadonlySet<ts.Symbol>,
  root: string,
): string[] {
  const seen = new Set(known)
  const found = new Set<string>()
  const waiting = [...exported]
  const visit = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node) || ts.isTypeQueryNode(node)) {
      const named = ts.isTypeReferenceNode(node)
        ? node.typeName
        : ts.isTypeQueryNode(node)
          ? node.exprName
          : node.expression
      const symbol = checker.getSymbolAtLocation(named)
      if (symbol !== undefined) meet(resolved(checker, symbol))
    }
    ts.forEachChild(node, visit)
  }
  const meet = (symbol: ts.Symbol): void => {
    const file = symbol.declarations?.[0]?.getSourceFile().fileName ?? ''
    if (seen.has(symbol) || symbol.flags & ts.SymbolFlags.TypeParameter) return
    if (!file.startsWith(root) || file.includes('/node_modules/')) return
    seen.add(symbol)
    found.add(symbol.name)
    waiting.push(symbol)
  }
  for (const symbol of waiting) for (const declaration of symbol.declarations ?? []) visit(declaration)
  return [...found].sort()
}
