import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { checkOptions } from '@freezer/sdk'
import plugin, { s3 } from '../src/index.ts'

test('the plugin provides what its package.json says', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(manifest.freezer.provides, { storage: plugin.storages.map(({ name }) => name) })
})

test('declaring it loads neither aws4fetch nor anything else of its own', () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
    console.log(JSON.stringify(loaded.filter((url) => /aws4fetch|storage-s3\\/src\\/(?!index|options)/.test(url))))`
  const url = new URL('.', import.meta.url)
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: url })
  assert.equal(printed.toString().trim(), '[]')
})

test('options are checked before anything is connected to', () => {
  assert.equal(checkOptions(s3.options, { container: 'c' }).s3Timeout, 60_000)
  for (const wrong of [{}, { container: '' }, { container: 'c', s3Addressing: 'x' }]) {
    assert.throws(() => checkOptions(s3.options, wrong), { code: 'usage' })
  }
})

test('secrets are no flags', () => {
  const secret = Object.entries(s3.options).filter(([, option]) => 'secret' in option)
  assert.deepEqual(
    secret.map(([name]) => name),
    ['secretKey', 'sessionToken', 'proxyCredentials'],
  )
})
