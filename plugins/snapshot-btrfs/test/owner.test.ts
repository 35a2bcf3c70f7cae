import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isOurs, isOwnerAlive, newName } from '../src/owner.ts'

const parts = async () => (await newName()).slice(1).split('.')
const named = (given: readonly (string | undefined)[]) => `.${given.join('.')}`

test('each name is another, and of this process', async () => {
  const names = await Promise.all(Array.from({ length: 100 }, newName))
  assert.equal(new Set(names).size, 100)
  for (const name of names) {
    assert.ok(isOurs(name) && name.length < 200)
    assert.equal(await isOwnerAlive(name), true)
  }
})

test('a process that ended, that has the number of another, or that was before the boot, is dead', async () => {
  const [prefix, boot = '', namespace, pid, started, random] = await parts()
  const child = spawn('sleep', ['60'])
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const childs = named([prefix, boot, namespace, String(child.pid), fields[19], random])
  assert.equal(await isOwnerAlive(childs), true)
  child.kill()
  await once(child, 'exit')
  assert.equal(await isOwnerAlive(childs), false)
  assert.equal(
    await isOwnerAlive(named([prefix, boot, namespace, pid, `${Number(started) - 1}`, random])),
    false,
  )
  const other = boot.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  assert.equal(await isOwnerAlive(named([prefix, other, namespace, pid, started, random])), false)
})

test('nobody is judged whose processes cannot be seen, and no name that is not ours', async () => {
  const [prefix, boot, , pid, started, random] = await parts()
  assert.equal(await isOwnerAlive(named([prefix, boot, '1', pid, started, random])), undefined)
  for (const name of [
    '.freezer-snapshot',
    'home',
    '.snapshots',
    `${await newName()}.x`,
    `x${await newName()}`,
  ]) {
    assert.equal(isOurs(name), false)
    assert.equal(await isOwnerAlive(name), undefined)
  }
})
