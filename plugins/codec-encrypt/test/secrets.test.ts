import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { isFailure, toRecord } from '@freezer/sdk'
import { facts, names, noise, open, secret, thrown } from './samples.ts'

const planted = {
  key: Buffer.from('a key of 32 bytes to be found 01'),
  passphrase: Buffer.from('planted-phrase'),
}

/** Everything that could be printed of `value`, or sent to another thread. */
function everything(value: unknown): string {
  const texts = [inspect(value, { showHidden: true, depth: 20, maxArrayLength: null, maxStringLength: null })]
  if (value instanceof Error)
    texts.push(JSON.stringify(toRecord(value)), value.stack ?? '', String(value.cause))
  return texts.join('\n')
}

/** The forms in which a secret would be recognised. */
function shown(bytes: Buffer): readonly string[] {
  const pairs = bytes.toString('hex').match(/../g) ?? []
  return [
    bytes.toString('latin1'),
    pairs.join(''),
    pairs.join(' '),
    bytes.toString('base64'),
    bytes.join(', '),
  ]
}

function assertHidden(value: unknown): void {
  const text = everything(value)
  for (const form of [...shown(planted.key), ...shown(planted.passphrase)]) {
    assert.ok(!text.includes(form), `${form} in ${text}`)
  }
}

for (const name of names) {
  test(`${name}: the secret shows in no failure and no coder`, async () => {
    const coder = await open(name, planted)
    assertHidden(coder)
    const sealed = Buffer.from(coder.encode(noise(100, 'text'), facts))
    const changed = Buffer.from(sealed)
    changed[0]! ^= 1
    for (const block of [sealed.subarray(0, 5), changed]) {
      assertHidden(thrown(() => coder.decode(block, facts, 1000)))
    }
    assertHidden(thrown(() => coder.decode(sealed, facts, 1)))
  })

  test(`${name}: keeps its own copy of the secret`, async () => {
    const given = { key: Buffer.from(secret.key), passphrase: Buffer.from(secret.passphrase ?? '') }
    const coder = await open(name, given)
    given.key.fill(0)
    given.passphrase.fill(0)
    const sealed = coder.encode(noise(100, 'text'), facts)
    assert.ok(noise(100, 'text').equals((await open(name)).decode(sealed, facts, 100)))
  })

  test(`${name}: without a secret there is no coder`, async () => {
    await assert.rejects(
      async () => {
        const { default: plugin } = await import('../src/index.ts')
        await plugin.codecs.find((codec) => codec.name === name)?.open({}, undefined)
      },
      (error) => isFailure(error) && error.code === 'key',
    )
  })
}

test('a key of another length is refused without showing it', async () => {
  for (const name of ['aes-256-gcm', 'xchacha20-poly1305']) {
    await assert.rejects(open(name, { ...planted, key: planted.key.subarray(1) }), (error) => {
      assertHidden(error)
      return isFailure(error) && error.code === 'key'
    })
  }
})
