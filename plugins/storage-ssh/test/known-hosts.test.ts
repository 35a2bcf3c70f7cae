import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { hostKeyCheck } from '../src/host-key.ts'
import { fingerprint, knownHost, knownLine, nameOf } from '../src/known-hosts.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-known-hosts-'))
after(() => rm(scratch, { recursive: true }))

/** A public key as it goes over the wire. */
function key(type: string, seed: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(type.length)
  return Buffer.concat([length, Buffer.from(type), Buffer.alloc(36, seed)])
}

const ed = key('ssh-ed25519', 1)
const otherEd = key('ssh-ed25519', 2)
const rsa = key('ssh-rsa', 3)
const base64 = (bytes: Buffer) => bytes.toString('base64')

function hashed(name: string): string {
  const salt = Buffer.alloc(20, 7)
  return `|1|${base64(salt)}|${base64(createHmac('sha1', salt).update(name).digest())}`
}

/** What a file of these lines says of `key` for `name`. */
function judge(lines: readonly string[], name: string, bytes: Buffer): string {
  return knownHost([{ path: 'file', text: `${lines.join('\n')}\n` }], name).judge(bytes).trust
}

test('a host is known by its name, by patterns, and by the hash of its name', () => {
  const forms: [hosts: string, name: string, known: boolean][] = [
    ['nas', 'nas', true],
    ['nas,192.168.1.2', '192.168.1.2', true],
    ['nas', 'nas2', false],
    ['NAS', 'nas', true],
    ['nas', '[nas]:2222', false],
    ['[nas]:2222', '[nas]:2222', true],
    ['[nas]:2222', 'nas', false],
    ['*.example.org', 'a.example.org', true],
    ['*.example.org', 'axexample.org', false],
    ['na?', 'nas', true],
    ['*.example.org,!b.example.org', 'b.example.org', false],
    ['!nas', 'nas', false],
    ['[*]:2222', '[nas]:2222', true],
    [hashed('nas'), 'nas', true],
    [hashed('[nas]:2222'), '[nas]:2222', true],
    [hashed('[nas]:2222'), 'nas', false],
    ['|2|AAAA|AAAA', 'nas', false],
    ['|1|', 'nas', false],
  ]
  for (const [hosts, name, known] of forms) {
    assert.equal(
      judge([`${hosts} ssh-ed25519 ${base64(ed)} a comment`], name, ed),
      known ? 'known' : 'new',
      hosts,
    )
  }
})

test('a name has a port when that is not the usual one', () => {
  assert.equal(nameOf('NAS', 22), 'nas')
  assert.equal(nameOf('nas', 2222), '[nas]:2222')
  assert.equal(nameOf('::1', 2222), '[::1]:2222')
})

test('another key is a changed one, of another type as well, and the line says where', () => {
  const lines = ['# a comment', '', `nas ssh-ed25519 ${base64(ed)}`, `nas ssh-rsa ${base64(rsa)}`]
  assert.equal(judge(lines, 'nas', ed), 'known')
  assert.equal(judge(lines, 'nas', rsa), 'known')
  const known = knownHost([{ path: '/f', text: lines.join('\n') }], 'nas')
  assert.deepEqual(known.types, ['ssh-ed25519', 'ssh-rsa'])
  assert.deepEqual(known.judge(otherEd), { trust: 'changed', origin: 'line 3 of /f' })
  assert.equal(known.judge(key('ecdsa-sha2-nistp256', 9)).trust, 'changed')
})

test('a revoked key is never known, whatever else stands there', () => {
  const lines = [`nas ssh-ed25519 ${base64(ed)}`, `@revoked * ssh-ed25519 ${base64(ed)}`]
  assert.equal(judge(lines, 'nas', ed), 'revoked')
  assert.equal(judge(lines.toReversed(), 'nas', ed), 'revoked')
  assert.equal(judge([lines[1] as string], 'nas', otherEd), 'new')
})

test('an authority vouches for no key, and its hosts are not taken for new ones', () => {
  const lines = [`@cert-authority * ssh-ed25519 ${base64(ed)}`]
  assert.equal(judge(lines, 'nas', ed), 'certified')
  assert.equal(judge(lines, 'nas', otherEd), 'certified')
  assert.equal(judge([...lines, `nas ssh-ed25519 ${base64(otherEd)}`], 'nas', otherEd), 'known')
})

test('lines that cannot be understood say nothing', () => {
  const lines = [
    'nas',
    'nas ssh-ed25519',
    `@unknown nas ssh-ed25519 ${base64(ed)}`,
    'nas ssh-ed25519 ?',
    '\0',
    '@revoked',
  ]
  assert.equal(judge(lines, 'nas', ed), 'new')
})

test('a new host is refused, or trusted and written down when asked; a changed one is refused either way', async () => {
  const file = join(scratch, 'deep', 'known_hosts')
  const policy = { host: 'nas', port: 2222, file, trustNew: false }
  const strict = await hostKeyCheck(policy)
  await assert.rejects(strict.verify(ed), {
    code: 'untrusted',
    message: new RegExp(`is not known: ssh-ed25519 ${fingerprint(ed).replaceAll('+', '\\+')}`),
  })
  const trusting = await hostKeyCheck({ ...policy, trustNew: true })
  await trusting.verify(ed)
  assert.equal(await readFile(file, 'utf8'), `[nas]:2222 ssh-ed25519 ${base64(ed)}\n`)
  const again = await hostKeyCheck({ ...policy, trustNew: true })
  assert.deepEqual(again.types, ['ssh-ed25519'])
  await again.verify(ed)
  for (const other of [otherEd, rsa]) {
    await assert.rejects(again.verify(other), { code: 'untrusted', message: /has changed/ })
  }
  assert.equal(await readFile(file, 'utf8'), knownLine('[nas]:2222', ed))
})

test('a line is added to a file whose last line has no end', async () => {
  const file = join(scratch, 'unfinished')
  await writeFile(file, `other ssh-rsa ${base64(rsa)}`)
  await (await hostKeyCheck({ host: 'nas', port: 22, file, trustNew: true })).verify(ed)
  assert.equal(await readFile(file, 'utf8'), `other ssh-rsa ${base64(rsa)}\nnas ssh-ed25519 ${base64(ed)}\n`)
})

test('a key that cannot be written down is not trusted, and a file that cannot be read is not an empty one', async () => {
  const directory = join(scratch, 'a directory')
  await mkdir(directory)
  await assert.rejects(hostKeyCheck({ host: 'nas', port: 22, file: directory, trustNew: true }), {
    code: 'configuration',
  })
  const below = join(scratch, 'unfinished', 'below')
  await assert.rejects(
    async () => (await hostKeyCheck({ host: 'nas', port: 22, file: below, trustNew: true })).verify(ed),
    (error: { code: string }) => ['configuration', 'denied'].includes(error.code),
  )
})
