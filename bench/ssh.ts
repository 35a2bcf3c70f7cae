/**
 * The storage `ssh` beside OpenSSH's own program `sftp`, in turns, with a server of this machine: how fast each writes and
 * reads one file. Prints what each took, and how fast ours is measured by the other: 1.00 is as fast.
 *
 * Usage: node bench/ssh.ts [MIB] [ROUNDS]
 */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { checkOptions, quietContext } from '@freezer/sdk'
import { ssh } from '@freezer/storage-ssh'
import { startSshd } from '../test/services/sshd.ts'

const mib = Number(process.argv[2] ?? 512)
const rounds = Number(process.argv[3] ?? 5)
const { signal } = new AbortController()

await using server = await startSshd()
const options = checkOptions(ssh.options, {
  container: 'bench',
  sshHost: '127.0.0.1',
  sshPort: server.port,
  sshUsername: 'keeper',
  sshKey: server.key,
  sshKnownHosts: server.knownHosts,
})
const storage = await ssh.open(options, quietContext(), { create: true })
const chunks = Array.from({ length: mib }, () => randomFillSync(Buffer.allocUnsafeSlow(2 ** 20)))
const local = path.join(server.directory, 'local')
for (const chunk of chunks) fs.appendFileSync(local, chunk)

/** Runs one command of OpenSSH's client, by the same cipher. */
function sftp(command: string): void {
  const words = ['-q', '-b', '-', '-i', server.key, '-P', `${server.port}`]
  const set = ['-o', `UserKnownHostsFile=${server.knownHosts}`, '-o', 'Ciphers=aes128-gcm@openssh.com']
  execFileSync('sftp', [...words, ...set, 'keeper@127.0.0.1'], {
    input: `${command}\n`,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
}

const ways: Record<string, { readonly ours: () => Promise<void>; readonly theirs: () => void }> = {
  write: {
    ours: () => storage.put('blob', chunks, signal),
    // -f: on the disk when it ends, as ours is.
    theirs: () => sftp(`put -f ${local} theirs`),
  },
  read: {
    // Neither writes to a disk of this side.
    async ours() {
      for await (const chunk of storage.get('blob', undefined, signal)) received += chunk.length
    },
    theirs: () => sftp('get theirs /dev/null'),
  },
}

let received = 0

/** Seconds. */
async function time(work: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

for (const [way, { ours, theirs }] of Object.entries(ways)) {
  const taken = { ours: [] as number[], theirs: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    taken.ours.push(await time(ours))
    taken.theirs.push(await time(theirs))
  }
  const speed = (seconds: number) => `${(mib / seconds).toFixed(0)} MiB/s`
  const ratio = (median(taken.theirs) / median(taken.ours)).toFixed(2)
  console.log(
    `${way}: ours ${speed(median(taken.ours))}, sftp ${speed(median(taken.theirs))}, ratio ${ratio}`,
  )
  console.log(`  ours ${taken.ours.map(speed).join(', ')}; sftp ${taken.theirs.map(speed).join(', ')}`)
}
await storage.close?.()
if (received !== rounds * mib * 2 ** 20) throw new Error(`received ${received} bytes`)
