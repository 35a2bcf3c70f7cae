// The example of a mode that holds a lock, without a snapshot: plugins/snapshot-btrfs has the same with one.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  backupResources,
  isFailure,
  openRepository,
  quietContext,
  restore,
  type TreeTarget,
} from '@freezer/sdk'
import { memoryStorage, modeContract } from '@freezer/sdk/testing'
import { local } from '@freezer/storage-local'
import { ledgerMode } from '../examples/ledger-mode.ts'
import { endProcess, expectBalanced, isLocked, startHeldBackup, startLedger } from './support/ledger.ts'
import { checkout, run, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('hold')
after(scratch.remove)
let made = 0
const fresh = (name: string) => path.join(scratch.path, `${name}-${made++}`)

/** A ledger that nobody writes to. */
async function still(): Promise<string> {
  const ledger = fresh('ledger')
  await endProcess(await startLedger(ledger), 'SIGKILL')
  // What the writer held is let go a moment after it.
  while (isLocked(ledger)) await pause(10)
  return ledger
}

describe('the mode of the example keeps the contract', async () => {
  const ledger = await still()
  for (const check of modeContract({
    mode: ledgerMode,
    options: { ledger },
    isHeld: () => isLocked(ledger),
    missing: { ledger: scratch.path },
    openHandles: () => fs.readdirSync('/proc/self/fd').length,
  })) {
    test(check.name, check.run)
  }
})

/** The newest backup of a container that the example made. */
async function bring(container: string, target: string): Promise<void> {
  const context = quietContext()
  const storage = await local.open({ container }, context, { create: false })
  const repository = await openRepository({ storage, codecs: [zstd], signal: context.signal }, false)
  const tree: TreeTarget = { kind: 'tree', path: target, overwrite: false, remove: false }
  await restore({ repository, engines: [tar], target: () => tree }, context)
  await storage.close?.()
}

test('a ledger that is written to is backed up between two transactions', async () => {
  const [ledger, container] = [fresh('ledger'), fresh('container')]
  const writer = await startLedger(ledger)
  try {
    for (let level = 0; level < 3; level++) {
      const words = [path.join(checkout, 'examples', 'held-backup.ts'), ledger, container]
      const ended = await run(process.execPath, words)
      assert.equal(ended.status, 0, ended.stderr)
      assert.match(ended.stdout, new RegExp(`level ${level}, no snapshot, held still for 0\\.\\d+ s`))
      const target = fresh('target')
      await bring(container, target)
      expectBalanced(target)
    }
  } finally {
    await endProcess(writer, 'SIGKILL')
  }
})

test('an agent that is killed while it holds the lock lets go', async () => {
  const ledger = await still()
  let held = 0
  for (let kill = 0; kill < 12; kill++) {
    const agent = startHeldBackup(ledger, fresh('container'))
    const deadline = Date.now() + 10_000
    while (!isLocked(ledger) && agent.exitCode === null && Date.now() < deadline) await pause(1)
    if (isLocked(ledger)) held++
    await endProcess(agent, 'SIGKILL')
    for (let wait = 0; isLocked(ledger); wait++) {
      assert.ok(wait < 100, 'the lock is still held')
      await pause(10)
    }
  }
  assert.ok(held > 0, 'no kill met the lock')
})

test('a lock that is lost, or held by another for too long, is a failed backup', async () => {
  const ledger = await still()
  const storage = memoryStorage()
  const context = quietContext()
  const once = async (maxLock: number, read: () => void) => {
    const backups = backupResources(
      {
        repository: () => openRepository({ storage, codecs: [], signal: context.signal }, true),
        mode: {
          mode: {
            ...ledgerMode,
            open: async (options, within) => {
              const session = await ledgerMode.open({ ledger: String(options['ledger']) }, within)
              const source: typeof session.source = async (...given) => {
                read()
                await pause(100)
                return session.source(...given)
              }
              return { ...session, source }
            },
          },
          options: { ledger },
        },
        engine: { engine: tar },
        maxLock,
        host: 'h',
        name: 'n',
        levels: { incremental: true },
      },
      context,
    )
    return Array.fromAsync(backups).catch((error: unknown) => error)
  }
  const holders = () =>
    fs
      .readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          const [, parent] = /^PPid:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
          return parent === String(process.pid) && fs.readFileSync(`/proc/${pid}/comm`, 'utf8') === 'cat\n'
        } catch {
          return false
        }
      })
  const lost = await once(30, () => holders().forEach((pid) => process.kill(Number(pid), 'SIGKILL')))
  assert.ok(isFailure(lost) && lost.code === 'source', String(lost))
  assert.match(lost.message, /The lock of .* was lost while it was held/)
  const late = await once(0.05, () => {})
  assert.ok(isFailure(late) && late.code === 'source', String(late))
  assert.match(late.message, /held still for 0.05 seconds/)
  assert.equal(isLocked(ledger), false)
  assert.deepEqual(
    [...storage.blobs.keys()].filter((key) => key.startsWith('manifests/')),
    [],
  )
})
