import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { facts, isDamaged, noise, open, secret, thrown } from './samples.ts'

const scratch = mkdtempSync(join(tmpdir(), 'codec-encrypt-'))
after(() => rmSync(scratch, { recursive: true }))

function openssl(direction: '-d' | '-e', passphrase: Uint8Array, input: Uint8Array): Buffer {
  const file = join(scratch, 'passphrase')
  writeFileSync(file, passphrase)
  const args = ['enc', direction, '-aes-256-cfb', '-md', 'sha256', '-pass', `file:${file}`]
  const { status, stdout, stderr } = spawnSync('openssl', args, { input, maxBuffer: 2 ** 24 })
  assert.equal(status, 0, stderr.toString())
  return stdout
}

const passphrases = ['correct horse battery staple', 'x', 'Köln ☃ "quoted" $HOME', ' spaces '.repeat(50)].map(
  (text) => Buffer.from(text),
)

for (const passphrase of passphrases) {
  test(`openssl reads it, and it reads openssl, with a passphrase of ${passphrase.length} bytes`, async () => {
    const coder = await open('aes-256-cfb', { ...secret, passphrase })
    for (const size of [0, 1, 15, 16, 17, 1_200_000]) {
      const block = noise(size, `block ${size}`)
      assert.ok(openssl('-d', passphrase, coder.encode(block, facts)).equals(block))
      assert.ok(block.equals(coder.decode(openssl('-e', passphrase, block), facts, size)))
    }
  })
}

test('every block has a salt of its own', async () => {
  const coder = await open('aes-256-cfb')
  const salts = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    salts.add(Buffer.from(coder.encode(new Uint8Array(4), facts)).toString('hex', 8, 16))
  }
  assert.equal(salts.size, 1000)
})

test('an empty passphrase is refused', async () => {
  await assert.rejects(
    open('aes-256-cfb', { ...secret, passphrase: new Uint8Array(0) }),
    (error) => isFailure(error) && error.code === 'key',
  )
})

test('of 2000 changed or random blocks, those without the header are damaged, the rest stay within the limit', async () => {
  const coder = await open('aes-256-cfb')
  const random = noise(2000 * 8, 'fuzz')
  let refused = 0
  for (let i = 0; i < 2000; i++) {
    const value = random.readUInt32LE(8 * i)
    let file: Buffer = Buffer.from(coder.encode(noise(value % 400, `text ${i}`), facts))
    if (i % 3 === 0) file = noise(value % 400, `random ${i}`)
    else if (i % 3 === 1) file[value % Math.min(file.length, 30)]! ^= 1 << (i % 8)
    else file = file.subarray(0, value % file.length)
    try {
      assert.ok(coder.decode(file, facts, 300).length <= 300)
    } catch (error) {
      assert.ok(isDamaged(error), String(error))
      refused++
    }
  }
  assert.ok(refused > 700 && refused < 2000, String(refused))
})

test('bytes that do not begin with the mark of OpenSSL are damaged', async () => {
  const coder = await open('aes-256-cfb')
  for (const bytes of [Buffer.alloc(0), Buffer.from('Salted__1234567'), Buffer.from('salted__12345678')]) {
    assert.ok(isDamaged(thrown(() => coder.decode(bytes, facts, 100))))
  }
})
