/**
 * Moves money between the accounts of a ledger, one transaction after the other, until it is stopped:
 *
 *     node examples/ledger-writer.ts LEDGER
 *
 * Each transaction takes the lock, writes two files and lets go. So the sum of all accounts never changes, unless somebody
 * reads in the middle of one. Prints a line when the ledger is there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

const ledger = resolve(process.argv[2] ?? '')
const accounts = Array.from({ length: 20 }, (_, number) => join(ledger, 'accounts', String(number)))
await mkdir(join(ledger, 'accounts'), { recursive: true })
for (const account of accounts) await writeFile(account, '100')
await writeFile(join(ledger, 'lock'), '')
console.log('written')

for (let number = 0; ; number++) {
  const words = ['--exclusive', '--no-fork', join(ledger, 'lock'), 'cat']
  const lock = spawn('flock', words, { stdio: ['pipe', 'pipe', 'inherit'] })
  lock.stdin.write('?')
  await once(lock.stdout, 'data')
  await move(accounts[number % 20] ?? '', -1)
  await move(accounts[(number * 7 + 3) % 20] ?? '', 1)
  lock.stdin.end()
  await once(lock, 'exit')
}

async function move(account: string, amount: number): Promise<void> {
  const balance = Number(await readFile(account, 'utf8'))
  await writeFile(account, String(balance + amount).padStart(8))
}
