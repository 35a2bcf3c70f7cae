import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { checkOptions } from '@freezer/sdk'
import plugin, { swift } from '../src/index.ts'

test('the plugin provides what its package.json says', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(manifest.freezer.provides, { storage: plugin.storages.map(({ name }) => name) })
})

test('declaring it loads neither undici nor yaml, nor anything else that is not needed for that', () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
    console.log(JSON.stringify(loaded.filter((url) => url.startsWith('file:') && !url.includes('/sdk/'))))`
  const url = new URL('.', import.meta.url)
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: url })
  const names = (JSON.parse(String(printed)) as string[]).map((name) => name.split('/').slice(-1)[0])
  assert.deepEqual(names, ['index.ts', 'options.js', 'options.js'])
})

test('secrets are no flags', () => {
  const secret = Object.entries(swift.options).filter(([, option]) => 'secret' in option)
  assert.deepEqual(
    secret.map(([name]) => name),
    ['osPassword', 'osApplicationCredentialSecret', 'osToken', 'proxyCredentials'],
  )
})

test('a container is required, and nothing else', () => {
  const { osTimeout, swiftSettle } = checkOptions(swift.options, { container: 'c' })
  assert.deepEqual([osTimeout, swiftSettle], [60_000, 60_000])
  for (const wrong of [{}, { container: 'c', osInterface: 'outer' }, { container: 'c', osTimeout: '0s' }]) {
    assert.throws(() => checkOptions(swift.options, wrong), { code: 'usage' })
  }
})
