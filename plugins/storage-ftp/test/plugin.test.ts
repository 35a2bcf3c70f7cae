import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { checkOptions } from '@freezer/sdk'
import plugin, { ftp, ftps } from '../src/index.ts'

test('the plugin provides what its package.json says', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(manifest.freezer.provides, { storage: plugin.storages.map(({ name }) => name) })
})

test('declaring it loads neither basic-ftp nor anything else of its own', () => {
  const program = `
    import { createRequire } from 'node:module'
    await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    console.log(JSON.stringify(loaded.filter((file) => file.includes('basic-ftp'))))`
  const url = new URL('.', import.meta.url)
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: url })
  assert.equal(printed.toString().trim(), '[]')
})

test('options are checked before anything is connected to', () => {
  const enough = { container: 'c', ftpHost: 'h', ftpUsername: 'u' }
  assert.equal(checkOptions(ftp.options, enough).ftpConnections, 4)
  assert.equal(checkOptions(ftps.options, enough).insecure, false)
  for (const wrong of [
    {},
    { ...enough, ftpHost: undefined },
    { ...enough, ftpUsername: '' },
    { ...enough, ftpPort: '0' },
    { ...enough, ftpCacert: 'file' },
  ]) {
    assert.throws(() => checkOptions(ftp.options, wrong), { code: 'usage' })
  }
})

test('secrets are no flags', () => {
  for (const { options } of [ftp, ftps]) {
    const secret = Object.entries(options).filter(([, option]) => 'secret' in option)
    assert.deepEqual(
      secret.map(([name]) => name),
      ['ftpPassword'],
    )
  }
})
