import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Failure, isFailure } from '@freezer/sdk'
import { lackOf, readProxies, refusalOf } from '../src/index.ts'

const none = { proxy: undefined, proxyCredentials: undefined }

function reached(
  environment: Record<string, string>,
  url: string,
  options: Partial<typeof none> | object = {},
) {
  return readProxies({ ...none, ...options }, environment).of(new URL(url))?.url
}

suite('which proxy', () => {
  const environment = { HTTPS_PROXY: 'http://tls:1', HTTP_PROXY: 'http://plain:2' }
  test('by how an address begins', () => {
    assert.equal(reached(environment, 'https://a.example/x'), 'http://tls:1/')
    assert.equal(reached(environment, 'http://a.example/x'), 'http://plain:2/')
    assert.equal(reached({}, 'http://a.example/x'), undefined)
    assert.equal(reached({ HTTP_PROXY: 'http://plain:2' }, 'https://a.example/x'), undefined)
    assert.equal(reached({ HTTPS_PROXY: '' }, 'https://a.example/x'), undefined)
  })
  test('small letters come before capital ones', () => {
    assert.equal(reached({ ...environment, https_proxy: 'small:3' }, 'https://a.example'), 'http://small:3/')
  })
  test('the option comes before the environment, and none is none', () => {
    assert.equal(reached(environment, 'https://a', { proxy: 'http://mine:4' }), 'http://mine:4/')
    assert.equal(reached(environment, 'http://a', { proxy: 'https://mine:4' }), 'https://mine:4/')
    assert.equal(reached(environment, 'https://a', { proxy: 'none' }), undefined)
  })
  test('credentials are added, whatever is in them, and are not in the place', () => {
    const options = { proxy: 'http://mine:4', proxyCredentials: 'me:p@ss:w/rd' }
    const proxy = readProxies({ ...none, ...options }, {}).of(new URL('https://a'))
    assert.equal(proxy?.url, 'http://me:p%40ss%3Aw%2Frd@mine:4/')
    assert.equal(proxy?.place, 'mine:4')
    const url = reached({ HTTPS_PROXY: 'http://u:secret@tls:1' }, 'https://a')
    assert.equal(url, 'http://u:secret@tls:1/')
  })
})

suite('who is reached without', () => {
  const rows: readonly [list: string, url: string, without: boolean][] = [
    ['*', 'https://a.example', true],
    ['a.example', 'https://a.example/x', true],
    ['a.example', 'https://b.a.example', true],
    ['.a.example', 'https://a.example', true],
    ['*.a.example', 'https://b.a.example', true],
    ['a.example', 'https://ba.example', false],
    ['A.Example', 'https://a.example', true],
    ['x, a.example', 'https://a.example', true],
    ['x a.example', 'https://a.example', true],
    ['a.example:443', 'https://a.example', true],
    ['a.example:443', 'https://a.example:8443', false],
    ['a.example:80', 'http://a.example', true],
    ['127.0.0.1', 'http://127.0.0.1:8080', true],
    ['::1', 'http://[::1]:8080', true],
    ['[::1]:8080', 'http://[::1]:8080', true],
    ['[::1]:8081', 'http://[::1]:8080', false],
    ['', 'https://a.example', false],
    [',', 'https://a.example', false],
  ]
  for (const [list, url, without] of rows) {
    test(`${url} by "${list}": ${without}`, () => {
      const environment = { HTTPS_PROXY: 'p:1', HTTP_PROXY: 'p:1', NO_PROXY: list }
      assert.equal(reached(environment, url) === undefined, without)
      assert.equal(reached({ NO_PROXY: list }, url, { proxy: 'p:1' }) === undefined, without)
    })
  }
})

suite('a wrong address', () => {
  for (const text of [
    'socks5://p:1',
    'http://',
    'http://p:99999',
    'http://p/path',
    'ftp://p',
    'http://p?x=1',
  ]) {
    for (const [origin, read] of [
      ['--proxy', () => readProxies({ ...none, proxy: text }, {})],
      ['HTTPS_PROXY', () => readProxies(none, { HTTPS_PROXY: text })],
    ] as const) {
      test(`${text} in ${origin}`, () => {
        assert.throws(
          read,
          (error: Failure) => isFailure(error) && error.message.startsWith(`${origin} is not`),
        )
      })
    }
  }
  test('a password on the command line is refused and not shown', () => {
    assert.throws(
      () => readProxies({ ...none, proxy: 'http://me:geheim@p:1' }, {}),
      (error: Failure) =>
        error.code === 'configuration' && !JSON.stringify([error.message, error]).includes('geheim'),
    )
    assert.throws(
      () => readProxies(none, { HTTPS_PROXY: 'socks5://me:geheim@p:1' }),
      (error: Failure) => !`${error.message}${error.remedy}`.includes('geheim'),
    )
  })
})

test('why a proxy is of no use, without what it is logged in to with', () => {
  const proxy = { url: 'http://me:geheim@p:3128/', place: 'p:3128' }
  const url = new URL('https://far.example/x')
  const failures = [
    [refusalOf(proxy, 407, url), 'denied'],
    [refusalOf(proxy, 403, url), 'denied'],
    [refusalOf(proxy, 502, url), 'unavailable'],
    [lackOf(proxy, 'ENOTFOUND'), 'not-found'],
    [lackOf(proxy, 'EAI_AGAIN'), 'unavailable'],
    [lackOf(proxy, 'ECONNREFUSED'), 'unavailable'],
    [lackOf(proxy, 'UND_ERR_CONNECT_TIMEOUT'), 'unavailable'],
    [lackOf(proxy, 'EHOSTUNREACH'), 'unavailable'],
    [lackOf(proxy, 'anything'), 'unavailable'],
  ] as const
  const words = failures.map(([failure, code]) => {
    assert.equal(failure.code, code)
    assert.ok(!`${failure.message}${failure.remedy}${JSON.stringify(failure.facts)}`.includes('geheim'))
    return failure.message
  })
  assert.equal(new Set(words).size, failures.length)
})
