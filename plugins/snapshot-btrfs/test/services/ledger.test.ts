// A mode that holds a lock, and snapshots: the mode of the examples.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { tar } from '@freezer/engine-tar'
import { backupResources, openRepository, quietContext, restore } from '@freezer/sdk'
import { memoryStorage } from '@freezer/sdk/testing'
import { ledgerMode } from '../../../../examples/ledger-mode.ts'
import { hasOwnMounts, makeFileSystem } from '../../../../test/services/btrfs.ts'
import {
  endProcess,
  expectBalanced,
  isLocked,
  startHeldBackup,
  startLedger,
} from '../../../../test/support/ledger.ts'
import { scratchDirectory } from '../../../../test/support/program.ts'
import { btrfs } from '../../src/index.ts'
import { makeSubvolume, snapshotsOn } from './support.ts'

if (hasOwnMounts(import.meta.url)) {
  const system = makeFileSystem('btrfs')
  const scratch = scratchDirectory('ledger')
  after(() => {
    system.remove()
    scratch.remove()
  })
  let made = 0
  const fresh = (name: string) => path.join(scratch.path, `${name}-${made++}`)
  const snapshot = { providers: [{ provider: btrfs, options: {} }], required: true }

  test('the lock is let go before the copy begins, and no transaction is torn', async () => {
    const ledger = makeSubvolume(path.join(system.path, 'ledger'))
    const writer = await startLedger(ledger)
    const storage = memoryStorage()
    const context = quietContext()
    const repository = await openRepository({ storage, codecs: [], signal: context.signal }, true)
    const balances = () => fs.readFileSync(path.join(ledger, 'accounts', '3'), 'utf8')
    let wrote = 0
    try {
      for (let level = 0; level < 4; level++) {
        const [result] = await Array.fromAsync(
          backupResources(
            {
              repository,
              mode: {
                mode: {
                  ...ledgerMode,
                  open: async (_, within) => {
                    const session = await ledgerMode.open({ ledger }, within)
                    return {
                      ...session,
                      source: async (...given) => {
                        // Whoever waited for the lock has it now: the writer goes on while it is copied.
                        const before = balances()
                        for (let wait = 0; wait < 300 && balances() === before; wait++) await pause(10)
                        if (balances() !== before) wrote++
                        return session.source(...given)
                      },
                    }
                  },
                },
                options: { ledger },
              },
              engine: { engine: tar },
              snapshot,
              maxLock: 30,
              host: 'h',
              name: 'n',
              levels: { incremental: true },
            },
            context,
          ),
        )
        assert.deepEqual([result?.level, result?.snapshot], [level, 'btrfs'])
        assert.ok(result?.locked !== undefined && result.locked < result.seconds + 30)
        const target = fresh('target')
        await restore(
          {
            repository,
            engines: [tar],
            target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }),
          },
          context,
        )
        expectBalanced(target)
      }
    } finally {
      await endProcess(writer, 'SIGKILL')
    }
    assert.equal(wrote, 4)
    assert.deepEqual(snapshotsOn(system.path), [])
  })

  test('killed at any moment, the lock is gone at once and the snapshot after the next run', async () => {
    const ledger = makeSubvolume(path.join(system.path, 'killed'))
    await endProcess(await startLedger(ledger), 'SIGKILL')
    while (isLocked(ledger)) await pause(10)
    const began = performance.now()
    await endProcess(startHeldBackup(ledger, fresh('container')))
    const whole = performance.now() - began
    for (let kill = 0; kill < 15; kill++) {
      const agent = startHeldBackup(ledger, fresh('container'))
      await pause(whole * (0.4 + (0.6 * kill) / 15))
      await endProcess(agent, 'SIGKILL')
      for (let wait = 0; isLocked(ledger); wait++) {
        assert.ok(wait < 100, 'the lock is still held')
        await pause(10)
      }
    }
    assert.equal(await endProcess(startHeldBackup(ledger, fresh('container'))), 0)
    assert.deepEqual(snapshotsOn(system.path), [])
  })
}
