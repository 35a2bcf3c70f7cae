// Proxies that are of no use: each is said in words of its own, and without what is logged in with.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { readProxies } from '@freezer/proxy'
import { isFailure } from '@freezer/sdk'
import { startWrongProxies } from '../../../test/services/proxy.ts'
import { Http } from '../src/http.ts'

const wrong = await startWrongProxies()
after(() => wrong[Symbol.asyncDispose]())
const never = new AbortController().signal

for (const { name, url, code, message, tunnel } of wrong.rows) {
  for (const target of ['https://far.invalid/x', 'http://far.invalid/x']) {
    if (tunnel === true && target.startsWith('http:')) continue
    test(`a proxy that ${name}: ${target}`, async () => {
      const proxies = readProxies({ proxy: url, proxyCredentials: 'me:geheim' }, {})
      const http = await Http.create({ timeout: 1500, cacert: undefined, insecure: false, proxies })
      const failure: unknown = await http
        .send(new URL(target), { method: 'GET', headers: {}, body: [] }, never)
        .catch((error: unknown) => error)
      http.close()
      assert.ok(isFailure(failure), String(failure))
      assert.equal(failure.code, code, failure.message)
      assert.match(failure.message, message)
      assert.ok((failure.remedy ?? '').length > 10)
      const shown = `${failure.message}${failure.remedy}${JSON.stringify(failure.facts)}`
      assert.ok(!shown.includes('geheim') && !shown.includes(Buffer.from('me:geheim').toString('base64')))
    })
  }
}
