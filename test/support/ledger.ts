/** The ledger of the examples, and who writes to it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { checkout } from './program.ts'

const example = (name: string) => path.join(checkout, 'examples', name)

/** Starts a writer, and gives it once the ledger is there. */
export async function startLedger(directory: string): Promise<ChildProcess> {
  const writer = spawn(process.execPath, [example('ledger-writer.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(writer.stdout, 'data')
  return writer
}

/** Starts a backup of it. */
export function startHeldBackup(directory: string, container: string): ChildProcess {
  return spawn(process.execPath, [example('held-backup.ts'), directory, container], { stdio: 'ignore' })
}

/** Ends a process with a signal, or waits for its end without one. @returns its exit status */
export async function endProcess(child: ChildProcess, signal?: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    if (signal !== undefined) child.kill(signal)
    await once(child, 'exit')
  }
  return child.exitCode
}

/** Whether somebody has the lock now. */
export function isLocked(directory: string): boolean {
  const { status } = spawnSync('flock', ['--exclusive', '--nonblock', path.join(directory, 'lock'), 'true'])
  return status === 1
}

/** Demands that no transaction is torn. */
export function expectBalanced(directory: string): void {
  const accounts = path.join(directory, 'accounts')
  const balances = fs.readdirSync(accounts).map((name) => Number(fs.readFileSync(path.join(accounts, name))))
  assert.equal(balances.length, 20)
  assert.equal(
    balances.reduce((sum, balance) => sum + balance, 0),
    2000,
  )
}
