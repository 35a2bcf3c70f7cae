// The packages load the ways that programs load them: as modules, from CommonJS, and bundled into a few files.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { checkout, type Ended, filesBelow, run, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('bundling')
after(scratch.remove)
const within = (name: string) => path.join(scratch.path, name)
const examples = path.join(checkout, 'examples')

const good = ({ status, stdout, stderr }: Ended) => {
  assert.equal(stderr, '')
  assert.equal(status, 0)
  return stdout.trimEnd()
}

const contents = (directory: string) =>
  filesBelow(directory).map((name) => [name, fs.readFileSync(path.join(directory, name)).toString('base64')])

/** Packages whose names can be imported, by their folders. */
const packages = ['sdk', ...fs.globSync('{lib,plugins}/*', { cwd: checkout })].map(
  (folder) =>
    JSON.parse(fs.readFileSync(path.join(checkout, folder, 'package.json'), 'utf8')) as {
      readonly name: string
      readonly exports: Readonly<Record<string, string>>
    },
)
/** Threads need what only a thread has. */
const specifiers = packages.flatMap(({ name, exports }) =>
  Object.keys(exports)
    .filter((key) => !/package\.json|-thread$/.test(key))
    .map((key) => path.posix.join(name, key)),
)

test('every package loads from CommonJS, by import and by require, as the same modules; nothing is left running', async () => {
  const program = within('all.cjs')
  fs.symlinkSync(path.join(checkout, 'node_modules'), within('node_modules'))
  fs.writeFileSync(
    program,
    `(async () => {
      for (const specifier of ${JSON.stringify(specifiers)}) {
        const imported = await import(specifier)
        const required = require(specifier)
        for (const name of Object.keys(imported)) {
          if (imported[name] !== required[name]) throw new Error(specifier + ' ' + name)
        }
        console.log(specifier, Object.keys(imported).length > 0)
      }
    })()`,
  )
  const lines = good(await run(process.execPath, [program], scratch.path)).split('\n')
  assert.deepEqual(
    lines,
    specifiers.map((specifier) => `${specifier} true`),
  )
})

test('a program in CommonJS', async () => {
  good(
    await run(process.execPath, [path.join(examples, 'backup.ts'), path.join(checkout, 'docs'), within('c')]),
  )
  const listed = good(await run(process.execPath, [path.join(examples, 'commonjs.cjs'), within('c')]))
  assert.match(listed, /^2\S+Z \S+ example$/)
})

describe('bundled with esbuild', () => {
  const bundle = within('bundle')
  const tree = within('tree')

  before(async () => {
    good(await run(process.execPath, [path.join(examples, 'bundled', 'build.ts'), bundle]))
    fs.writeFileSync(path.join(bundle, 'package.json'), '{ "type": "module" }')
    fs.mkdirSync(path.join(bundle, 'node_modules'))
    fs.symlinkSync(path.join(checkout, 'node_modules', 'koffi'), path.join(bundle, 'node_modules', 'koffi'))
    fs.mkdirSync(path.join(tree, 'sub'), { recursive: true })
    // Large enough for the threads of the codecs to be started.
    fs.writeFileSync(path.join(tree, 'large'), randomBytes(3 * 2 ** 20))
    fs.writeFileSync(path.join(tree, 'sub', 'small'), 'small')
  })

  test('it is four files, which need none of our packages', () => {
    const names = ['app.js', 'coder-thread.js', 'engine-thread.js', 'plugins.js']
    assert.deepEqual(
      fs.readdirSync(bundle).filter((name) => name.endsWith('.js')),
      names,
    )
    for (const name of names) {
      assert.doesNotMatch(
        fs.readFileSync(path.join(bundle, name), 'utf8'),
        /(?:from|import\(|import) *["']@freezer/,
      )
    }
  })

  test('it backs up and restores, away from the checkout', async () => {
    // Nothing of the checkout is above it.
    const away = fs.mkdtempSync(path.join(path.dirname(scratch.path), 'freezer-bundled-'))
    try {
      fs.cpSync(bundle, away, { recursive: true, verbatimSymlinks: true })
      const words = [path.join(away, 'app.js'), tree, within('container'), within('target')]
      assert.equal(good(await run(process.execPath, words, away)), '4 entries backed up, 4 restored')
      assert.deepEqual(contents(within('target')), contents(tree))
      const again = await run(process.execPath, words, away)
      assert.match(again.stderr, /Failure: .* is not empty/)
    } finally {
      fs.rmSync(away, { recursive: true })
    }
  })
})
