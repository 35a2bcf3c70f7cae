// Old backups go by rules, and only those: the plan is what is done, and a prune may be killed anywhere.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Victim } from './support/crash.ts'
import { filesBelow, freezer, json, run, scratchDirectory } from './support/program.ts'
import { makeTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('prune')
after(() => removeTree(scratch.path))
const killer = path.join(path.dirname(fileURLToPath(import.meta.url)), 'support', 'killed-prune.ts')

interface Listed {
  readonly id: string
  readonly level: number
  readonly time: string
}
interface Decided extends Listed {
  readonly keep: boolean
  readonly reasons: readonly { readonly rule: string; readonly backup?: string }[]
}

async function listed(container: string): Promise<Listed[]> {
  return (await json('list', '--container', container))['backups'] as Listed[]
}

/** A container with the levels 0 1 2 0 1 2 0 of a tree of one file. */
async function plainContainer(name: string): Promise<{ source: string; container: string }> {
  const [source, container] = [
    path.join(scratch.path, name, 'source'),
    path.join(scratch.path, name, 'container'),
  ]
  fs.mkdirSync(source, { recursive: true })
  for (let i = 0; i < 7; i++) {
    fs.writeFileSync(path.join(source, 'file'), `version ${i}`)
    await json('backup', source, '--container', container, '-N', 'n', '--hostname', 'h', '--max-level', '2')
  }
  return { source, container }
}

test('a dry run changes nothing, and the run does what it said', async () => {
  const { source, container } = await plainContainer('plan')
  const before = filesBelow(container)
  const all = await listed(container)
  const pinned = all[1]
  assert.ok(pinned !== undefined)
  assert.equal((await freezer('pin', pinned.id.slice(0, 10), '--container', container)).status, 0)
  const rules = ['--container', container, '--keep-last', '2']
  const plan = await json('prune', ...rules, '--dry-run')
  assert.deepEqual(
    filesBelow(container).filter((file) => !file.startsWith('pins')),
    before,
  )
  const said = plan['decisions'] as Decided[]
  assert.deepEqual(
    said.map(({ level, keep, reasons }) => `${level} ${keep} ${reasons.map(({ rule }) => rule).join('+')}`),
    [
      '0 true builds',
      '1 true pin',
      '2 false not kept',
      '0 true builds',
      '1 true builds',
      '2 true last',
      '0 true last',
    ],
  )
  const text = await freezer('prune', ...rules, '--dry-run')
  assert.match(text.stdout, /^remove +[0-9a-f]{8} +n +h +2 .* no rule keeps it$/m)
  assert.match(text.stdout, /^keep .* pinned$/m)
  assert.match(text.stdout, new RegExp(`^keep .* ${pinned.id.slice(0, 8)} builds on it$`, 'm'))
  assert.match(text.stdout, /^Would remove: +1 backup$/m)

  const done = await json('prune', ...rules)
  assert.deepEqual(done['decisions'], said)
  assert.deepEqual([done['removed'], done['kept'], done['freed']], [1, 6, plan['freed']])
  assert.ok((done['freed'] as number) > 0)
  const gone = said.filter(({ keep }) => !keep).map(({ id }) => id)
  assert.deepEqual(
    await listed(container),
    all.filter(({ id }) => !gone.includes(id)),
  )
  for (const file of filesBelow(container)) for (const id of gone) assert.ok(!file.includes(id), file)

  // Without its pin, the whole first chain goes.
  await json('pin', pinned.id, '--remove', '--container', container)
  assert.equal((await json('prune', ...rules))['removed'], 2)
  await json('backup', source, '--container', container, '-N', 'n', '--hostname', 'h', '--max-level', '2')
  const target = path.join(scratch.path, 'plan', 'target')
  await json('restore', target, '--container', container, '-N', 'n', '--hostname', 'h')
  assert.equal(fs.readFileSync(path.join(target, 'file'), 'utf8'), 'version 6')
})

test('a backup prunes its own name and host when told to', async () => {
  const { source, container } = await plainContainer('backup')
  await json('backup', source, '--container', container, '-N', 'other', '--hostname', 'h')
  const result = await json(
    'backup',
    source,
    '--container',
    container,
    '-N',
    'n',
    '--hostname',
    'h',
    '--no-incremental',
    '--keep-last',
    '1',
  )
  const pruned = result['prune'] as { removed: number; kept: number }
  assert.deepEqual([pruned.removed, pruned.kept], [7, 1])
  assert.equal((await listed(container)).length, 2)
  const dry = await json(
    'backup',
    source,
    '--container',
    container,
    '-N',
    'n',
    '--hostname',
    'h',
    '--dry-run',
    '-R',
    '0',
  )
  assert.equal(dry['prune'], undefined)
  assert.equal((await listed(container)).length, 2)
})

test('rules that make no sense are refused, and without rules nothing goes', async () => {
  const { container } = await plainContainer('rules')
  for (const words of [
    ['--keep-last', '0'],
    ['--keep-within', '5'],
    ['--remove-from-date', 'yesterday'],
    ['--garbage-after', '-1'],
  ]) {
    assert.equal((await freezer('prune', '--container', container, ...words)).status, 2, words.join(' '))
  }
  assert.equal((await freezer('pin', '--remove', '--container', container)).status, 2)
  assert.equal((await freezer('pin', 'ffff', '--container', container)).status, 4)
  assert.equal((await freezer('prune', '--container', path.join(scratch.path, 'none'))).status, 4)
  assert.equal((await json('prune', '--container', container))['removed'], 0)
  assert.equal((await listed(container)).length, 7)
  assert.equal((await json('prune', '--container', container, '--remove-from-date', '2999-01-01'))['kept'], 0)
  assert.deepEqual(filesBelow(container), ['freezer'])
})

test('killed at every third storage call, what is listed restores and the next prune ends the work', async () => {
  const directory = path.join(scratch.path, 'killed')
  const source = path.join(directory, 'source')
  fs.mkdirSync(source, { recursive: true })
  makeTree(source, seeded(5), 12)
  const victim = new Victim(directory, source)
  for (let i = 0; i < 7; i++) {
    await victim.backUp()
    victim.change()
  }
  const whole = path.join(directory, 'whole')
  fs.renameSync(victim.container, whole)
  victim.forget()
  let kills = 0
  for (let call = 1; ; call += 3) {
    fs.cpSync(whole, victim.container, { recursive: true })
    const { status, stderr } = await run(process.execPath, [killer, victim.container, String(call)])
    assert.ok(status === undefined || status === 0, stderr)
    if (status === undefined) kills++
    // What is listed may be anything from all to what is kept.
    if (kills % 5 === 0 || status === 0) await victim.expectWhole(7)
    const words = ['--container', victim.container, '--encrypt-pass-file', path.join(directory, 'pass')]
    if (kills % 5 === 0) {
      const { kept } = await json('prune', ...words, '--keep-last', '1', '--garbage-after', '0')
      assert.equal(kept, 2)
      await victim.expectWhole(2)
      assert.deepEqual(
        filesBelow(victim.container).filter((file) => /^(?:removed|leases)/.test(file)),
        [],
      )
    }
    removeTree(victim.container)
    if (status === 0) break
  }
  assert.ok(kills > 15, `only ${kills} kills`)
})
