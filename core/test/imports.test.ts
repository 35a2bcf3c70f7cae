import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratchDirectory } from './support.ts'

const script = fileURLToPath(new URL('../../scripts/imports.ts', import.meta.url))

/** What the check says of a repository with these files besides the sound ones. */
function check(files: Record<string, string | object>): { status: number | null; words: string } {
  const root = scratchDirectory()
  const sound = {
    'sdk/package.json': { name: '@freezer/sdk' },
    'lib/tool/package.json': { name: '@freezer/tool', peerDependencies: { '@freezer/sdk': '1' } },
    'core/package.json': { name: '@freezer/core', dependencies: { '@freezer/sdk': '1', tsyringe: '1' } },
    'core/src/composition.ts': "import { container } from 'tsyringe'",
    'plugins/good/package.json': {
      name: '@freezer/mode-good',
      type: 'module',
      exports: { '.': './index.js' },
      dependencies: { client: '1' },
      peerDependencies: { '@freezer/sdk': '1', '@freezer/tool': '1' },
      freezer: { api: '1.0', provides: { mode: ['good'] } },
    },
    'plugins/good/index.js': "export default { modes: [{ name: 'good' }] }",
    'plugins/good/src/index.ts':
      "import { x } from '@freezer/sdk'\nimport '@freezer/tool/deep'\n// import 'nothing'\n" +
      "import {\n  y,\n} from './y.ts'\nconst z = await import('client/z')\n/* import 'nothing' */",
    'plugins/good/test/a.test.ts': "import '../../../core/src/x.ts'\nimport 'anything'",
    'test/whole.test.ts': "import '../core/src/x.ts'\nimport 'anything'",
  }
  for (const [name, content] of Object.entries({ ...sound, ...files })) {
    mkdirSync(join(root, dirname(name)), { recursive: true })
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  execFileSync('git', ['init', '-q'], { cwd: root })
  execFileSync('git', ['add', '.'], { cwd: root })
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
  return { status, words: stderr }
}

test('a sound repository passes', () => {
  assert.deepEqual(check({}), { status: 0, words: '0 violations of the import rules in 4 packages\n' })
})

const sins: [what: string, file: string, content: string | object, words: RegExp][] = [
  ['sdk imports a package', 'sdk/src/a.ts', "import type { x } from 'left-pad'", /nothing but node:/],
  ['sdk imports core', 'sdk/src/a.ts', "export * from '@freezer/core'", /nothing but node:/],
  ['a library imports a plugin', 'lib/tool/a.ts', "import '@freezer/mode-good'", /lib may not depend/],
  ['a plugin imports core', 'plugins/good/a.ts', "import x from '@freezer/core'", /plugins may not depend/],
  ['a plugin imports another', 'plugins/good/a.ts', "await import('@freezer/mode-good')", /may not depend/],
  [
    'a package is not declared',
    'plugins/good/a.ts',
    "import 'left-pad/x'",
    /good\/package.json does not declare/,
  ],
  [
    'a scoped package is not declared',
    'core/src/a.ts',
    "import '@x/y/z'",
    /core\/package.json does not declare/,
  ],
  ['an import leaves its package', 'core/src/a.ts', "import '../../sdk/src/x.ts'", /outside of core/],
  ['core imports a library', 'core/src/a.ts', "import '@freezer/tool'", /core may not depend/],
  ['core names a plugin', 'core/src/a.ts', "const x = 'plugin @freezer/mode-good'", /names the plugin/],
  ['tsyringe is elsewhere', 'core/src/a.ts', "import 'tsyringe'", /composition.ts alone/],
  ['a builtin lacks node:', 'core/src/a.ts', "import fs from 'fs'", /written "node:fs"/],
  ['a plugin is not built', 'plugins/x/package.json', { name: 'x', freezer: {} }, /plugins\/x: is not built/],
  [
    'a plugin lacks what it promises',
    'plugins/good/index.js',
    'export default {}',
    /says mode good, .* has none/,
  ],
  [
    'a plugin has more than it says',
    'plugins/good/index.js',
    "export default { modes: [{ name: 'good' }], codecs: [{ name: 'x' }] }",
    /says codec none, its code has x/,
  ],
]
for (const [what, file, content, words] of sins) {
  test(`caught: ${what}`, () => {
    const found = check({ [file]: content })
    assert.equal(found.status, 1)
    assert.match(found.words, words)
    assert.match(found.words, /^1 violations/m)
  })
}
