// The commands about keys, a host that cannot read what it backs up, and containers from before there were kinds of keys.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { openExisting, treeAt } from './support/containers.ts'
import { checkout, filesBelow, freezer, json, run, scratchDirectory } from './support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from './support/tree.ts'

const scratch = scratchDirectory('keys')
after(() => removeTree(scratch.path))

function file(name: string, content?: string): string {
  const full = path.join(scratch.path, name)
  if (content !== undefined) fs.writeFileSync(full, content, { mode: 0o600 })
  return full
}

const first = ['--encrypt-pass-file', file('first', 'the first passphrase\n')]
const second = ['--encrypt-pass-file', file('second', 'the second passphrase\n')]
const keyFile = ['--key-file', file('key')]

/** What the options of a passphrase or a key file give, for the sdk. */
function secretOf([option, name = '']: readonly string[]): string | Uint8Array {
  return option === '--key-file' ? fs.readFileSync(name) : fs.readFileSync(name, 'utf8').trimEnd()
}

interface Key {
  readonly id: string
  readonly kind: string
  readonly opened: boolean
  readonly label?: string
}

class Container {
  readonly path: string
  readonly source: string
  readonly #random: () => number
  /** Trees by the time of their backup. */
  readonly moments = new Map<string, Tree>()

  constructor(name: string, seed: number) {
    this.path = file(`${name}-container`)
    this.source = file(`${name}-source`)
    this.#random = seeded(seed)
    fs.mkdirSync(this.source)
    makeTree(this.source, this.#random, 20)
  }

  words(...words: string[]): string[] {
    return [...words, '--container', this.path]
  }

  async backUp(...options: string[]): Promise<number> {
    mutateTree(this.source, this.#random, 5)
    const result = await json(...this.words('backup', this.source, '--backup-name', 'n', ...options))
    this.moments.set(String(result['time']), describeTree(this.source))
    return Number(result['level'])
  }

  /** Every backup so far restores to its moment, the newest by the program. */
  async expectAll(host: string, way: readonly string[]): Promise<void> {
    const target = fs.mkdtempSync(path.join(scratch.path, 'target-'))
    await json(...this.words('restore', target, '--backup-name', 'n', '--hostname', host, ...way))
    assert.deepEqual(differences([...this.moments.values()].at(-1) ?? new Map(), describeTree(target)), [])
    removeTree(target)
    const repository = await openExisting(this.path, secretOf(way))
    for (const [time, tree] of this.moments) {
      const back = await treeAt(repository, scratch.path, time, 'n', host)
      assert.deepEqual(differences(tree, back), [], time)
    }
  }

  async keys(way: readonly string[]): Promise<readonly Key[]> {
    return (await json(...this.words('key', 'list', ...way)))['keys'] as Key[]
  }

  async expectShut(way: readonly string[]): Promise<void> {
    const before = filesBelow(this.path)
    for (const words of [
      ['list'],
      ['key', 'list'],
      ['backup', this.source, '--backup-name', 'n'],
      ['restore', file('nothing'), '--backup-name', 'n', '--hostname', 'h'],
    ]) {
      assert.equal((await freezer(...this.words(...words, ...way))).status, 8, words[0])
    }
    assert.deepEqual(filesBelow(this.path), before)
    assert.ok(!fs.existsSync(file('nothing')))
  }
}

test('passphrases and key files come and go, and every backup is restored by whoever is left', async () => {
  const container = new Container('ways', 1)
  const host = ['--hostname', 'h']
  assert.equal(await container.backUp(...host, ...first), 0)
  await json(
    ...container.words('key', 'add', ...first, '--new-pass-file', second[1] ?? '', '--label', 'hers'),
  )
  await json(...container.words('key', 'add', ...second, '--new-key-file', keyFile[1] ?? ''))
  assert.equal(fs.statSync(file('key')).size, 32)
  assert.equal(fs.statSync(file('key')).mode & 0o777, 0o600)
  assert.equal(await container.backUp(...host, ...second), 1)
  assert.equal(await container.backUp(...host, ...keyFile), 2)
  for (const way of [first, keyFile]) await container.expectAll('h', way)

  const shown = await freezer(...container.words('key', 'list', ...second))
  assert.match(
    shown.stdout,
    /^New backups: +repository key [0-9a-f]{8}\n\nID +KIND +LABEL +CREATED +REPOSITORY KEY +NOTE\n/,
  )
  assert.match(shown.stdout, /^[0-9a-f]{16} +passphrase +hers +\d{4}-.* +opened the container$/m)
  assert.match(shown.stdout, /^[0-9a-f]{16} +key file +/m)

  const mine = (await container.keys(first)).find((key) => key.opened)?.id ?? ''
  await json(...container.words('key', 'remove', mine.slice(0, 8), ...first))
  await container.expectShut(first)
  assert.equal(await container.backUp(...host, ...second), 3)
  await container.expectAll('h', second)

  // Rotation: who else opens the container is named first, and must be added again.
  const refused = await freezer(...container.words('key', 'rotate', ...keyFile))
  assert.equal(refused.status, 5)
  assert.match(
    refused.stderr,
    /no longer open the container: passphrase [0-9a-f]{16} \(hers\)\. Give --remove-others/,
  )
  const rotated = await freezer(...container.words('key', 'rotate', '--remove-others', ...keyFile))
  assert.match(rotated.stdout, /^Removed passphrase [0-9a-f]{16} \(hers\); add it again/m)
  await container.expectShut(second)
  assert.equal(await container.backUp(...host, ...keyFile), 0)
  assert.equal(await container.backUp(...host, ...keyFile), 1)
  await json(...container.words('key', 'add', ...keyFile, '--new-pass-file', second[1] ?? ''))
  await container.expectAll('h', second)

  const one = (await container.keys(keyFile)).find(({ kind }) => kind === 'passphrase')?.id ?? ''
  await json(...container.words('key', 'remove', one, ...keyFile))
  const other = (await container.keys(keyFile)).find((key) => key.opened)?.id ?? ''
  assert.equal((await freezer(...container.words('key', 'remove', other, '--force', ...keyFile))).status, 5)
})

test('a host backs up for a recipient what only the owner of the container reads', async () => {
  const container = new Container('received', 2)
  const recipient = file('web.recipient')
  const word = ['--encrypt-recipient', recipient]
  await json(
    'backup',
    container.source,
    '--container',
    container.path,
    '-N',
    'own',
    '--hostname',
    'owner',
    ...first,
  )
  const add = container.words(
    'key',
    'add',
    ...first,
    '--recipient',
    '--label',
    'web',
    '--recipient-file',
    recipient,
  )
  const added = await json(...add)
  const { id } = added['recipient'] as { id: string }
  assert.equal(fs.statSync(recipient).mode & 0o777, 0o600)
  assert.match(fs.readFileSync(recipient, 'utf8'), new RegExp(`^freezer recipient 1 ${id} `))
  assert.ok(!JSON.stringify(added).includes(fs.readFileSync(recipient, 'utf8').split(' ')[6] ?? '?'))
  assert.equal((await freezer(...add)).status, 5, 'an existing file is not overwritten')

  assert.equal(await container.backUp(...word), 0)
  assert.equal(await container.backUp(...word), 0)
  assert.equal(await container.backUp(...word, '--encryption', 'xchacha20-poly1305'), 0)
  await container.expectAll('web', first)
  const listed = await freezer(...container.words('list', ...first))
  assert.equal(listed.stdout.match(/\bweb\b/g)?.length, 3)

  const mistakes: [string[], number, RegExp][] = [
    [['--max-level', '3'], 2, /contradict/],
    [['--always-level', '1'], 2, /contradict/],
    [['--keep-last', '1'], 2, /contradict/],
    [['--incremental'], 2, /contradict/],
    [first, 2, /contradict/],
    [['--hostname', 'other'], 2, /of the host "web" alone/],
    [['--encryption', 'aes-256-cfb'], 2, /needs a passphrase/],
  ]
  for (const [words, status, why] of mistakes) {
    const ended = await freezer(...container.words('backup', container.source, '-N', 'n', ...word, ...words))
    assert.equal(ended.status, status, ended.stderr)
    assert.match(ended.stderr, why)
  }
  const cut = file('cut', fs.readFileSync(recipient, 'utf8').slice(0, -4))
  const wrong = container.words('backup', container.source, '-N', 'n', '--encrypt-recipient', cut)
  assert.equal((await freezer(...wrong)).status, 8)

  assert.equal((await freezer(...container.words('key', 'remove', id, ...first))).status, 5)
  await json(...container.words('key', 'rotate', ...first))
  assert.equal(await container.backUp(...word), 0)
  await container.expectAll('web', first)

  // Whoever writes to the storage alone: a manifest of the host under another time, and one with a byte changed.
  const manifests = filesBelow(container.path).filter((name) => name.startsWith('manifests/received/'))
  const [real = ''] = manifests
  const bytes = fs.readFileSync(path.join(container.path, real))
  const moved = real.replace(/\d{8}T/, '20990101T')
  fs.writeFileSync(path.join(container.path, moved), bytes)
  const damaged = await freezer(...container.words('list', ...first))
  assert.equal(damaged.status, 6)
  assert.match(damaged.stdout, /^Damaged: manifests\/received\/.*20990101T/m)
  assert.equal(
    (await freezer(...container.words('restore', file('forged'), '-N', 'n', '--hostname', 'web', ...first)))
      .status,
    6,
  )
  assert.ok(!fs.existsSync(file('forged')) || fs.readdirSync(file('forged')).length === 0)
  fs.rmSync(path.join(container.path, moved))

  await json(...container.words('key', 'remove', id, '--force', ...first))
  assert.equal((await freezer(...container.words('backup', container.source, '-N', 'n', ...word))).status, 8)
})

test('key add says what it lacks, and leaves no file behind', async () => {
  const container = new Container('mistakes', 3)
  await container.backUp(...first)
  const cases: [string[], number, RegExp][] = [
    [[], 2, /nothing to add/],
    [['--recipient', '--label', 'x'], 2, /needs a file/],
    [['--recipient', '--recipient-file', file('r')], 2, /needs a file.*name of that host/],
    [['--recipient-file', file('r'), '--new-key-file', file('k')], 2, /--recipient/],
    [['--new-pass-file', file('r'), '--new-key-file', file('k')], 2, /contradict/],
    [['--recipient', '--new-key-file', file('k')], 2, /contradict/],
    [['--new-key-file', file('short', 'too short')], 8, /16 bytes at least/],
    [['--new-key-file', file('k'), '--label', 'a\nb'], 2, /label/],
    [['--new-key-file', file('no/such/directory')], 4, /make .*no\/such/],
    [['--recipient', '--label', 'x', '--recipient-file', file('no/such')], 4, /no\/such/],
  ]
  for (const [words, status, why] of cases) {
    const ended = await freezer(...container.words('key', 'add', ...first, ...words))
    assert.equal(ended.status, status, ended.stderr)
    assert.match(ended.stderr, why)
  }
  const wrong = container.words('key', 'add', ...second)
  assert.equal((await freezer(...wrong, '--new-key-file', file('k'))).status, 8)
  assert.equal(
    (await freezer(...wrong, '--recipient', '--label', 'x', '--recipient-file', file('r'))).status,
    8,
  )
  for (const name of ['k', 'r']) assert.ok(!fs.existsSync(file(name)), name)
  assert.equal((await container.keys(first)).length, 1)
  assert.equal((await freezer(...container.words('list', ...first, '--key-file', file('short')))).status, 2)
})

describe('a container from before there were kinds of keys', () => {
  const fixture = path.join(checkout, 'test', 'fixtures', 'container-before-key-kinds')
  const old = ['--encrypt-pass-file', file('old', 'passphrase of the fixture\n')]

  async function restored(
    container: string,
    name: string,
    way: readonly string[],
    date?: string,
  ): Promise<string> {
    const target = fs.mkdtempSync(path.join(scratch.path, 'old-'))
    const words = ['restore', target, '--container', container, '-N', name, '--hostname', 'h', ...way]
    await json(...words, ...(date === undefined ? [] : ['--restore-from-date', date]))
    assert.equal(fs.readFileSync(path.join(target, 'sub', 'other'), 'utf8'), 'same\n')
    return fs.readFileSync(path.join(target, 'file'), 'utf8')
  }

  function copy(name: string): string {
    const container = file(name)
    fs.cpSync(fixture, container, { recursive: true })
    return container
  }

  test('opens, restores and goes on, whichever cipher it has', async () => {
    const container = copy('old-1')
    assert.equal((await freezer('list', '--container', container, ...second)).status, 8)
    const source = file('old-source')
    fs.mkdirSync(source)
    fs.writeFileSync(path.join(source, 'file'), 'third\n')
    fs.mkdirSync(path.join(source, 'sub'))
    fs.writeFileSync(path.join(source, 'sub', 'other'), 'same\n')
    for (const [name, cipher] of [
      ['gcm', 'aes-256-gcm'],
      ['cfb', 'aes-256-cfb'],
    ] as const) {
      assert.equal(await restored(container, name, old), 'second\n')
      assert.equal(await restored(container, name, old, '2026-11-24T22:04:19.2Z'), 'first\n')
      const to = ['--container', container, '-N', name, '--hostname', 'h', '--encryption', cipher]
      assert.equal((await json('backup', source, ...to, ...old))['level'], 2)
      assert.equal(await restored(container, name, old), 'third\n')
    }
  })

  test('is opened by another passphrase too, also the blocks that were encrypted with the first itself', async () => {
    const container = copy('old-2')
    await json('key', 'add', '--container', container, ...old, '--new-pass-file', second[1] ?? '')
    for (const way of [old, second]) {
      for (const name of ['gcm', 'cfb']) {
        assert.equal(await restored(container, name, way), 'second\n')
        assert.equal(await restored(container, name, way, '2026-11-24T22:04:19.2Z'), 'first\n')
      }
    }
    const { keys } = (await json('key', 'list', '--container', container, ...second)) as {
      keys: { state: string }[]
    }
    assert.deepEqual([...new Set(keys.map(({ state }) => state))], ['current'])
  })

  test('is rotated', async () => {
    const container = copy('old-3')
    await json('key', 'rotate', '--container', container, ...old)
    for (const name of ['gcm', 'cfb']) assert.equal(await restored(container, name, old), 'second\n')
  })
})

test('openssl reads aes-256-cfb with the pass file of whoever wrote it, also the second', async () => {
  const container = new Container('openssl', 4)
  await container.backUp(...first, '--encryption', 'aes-256-cfb', '--compression', 'none')
  await json(...container.words('key', 'add', ...first, '--new-pass-file', second[1] ?? ''))
  for (const [name, way] of [
    ['a', first],
    ['b', second],
  ] as const) {
    const options = ['-N', name, '--encryption', 'aes-256-cfb', '--compression', 'none', ...way]
    const { id } = await json(...container.words('backup', container.source, ...options))
    const segment = path.join(container.path, 'segments', String(id), 'data.00000000')
    const words = ['enc', '-d', '-aes-256-cfb', '-md', 'sha256', '-pass', `file:${way[1]}`, '-in', segment]
    const { status, stderr, stdout } = await run('openssl', words)
    assert.equal(status, 0, stderr)
    // A pax header of the first member.
    assert.match(stdout.slice(257, 263), /^ustar/)
  }
})
