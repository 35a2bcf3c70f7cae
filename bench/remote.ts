/**
 * Backups of the mixed tree to a directory, to an SSH server and to Swift, in turns, all on this machine. Beside each remote one
 * what its server can do: the same segments put by themselves, two at once as a backup does.
 *
 * Prints seconds, and the seconds that all cores together were busy. Server and client share the cores here, so a server cannot do
 * beside a backup what it can do alone. What it can do there is measured, too: a backup to a directory and a put of the same
 * segments, both begun together, until both have ended. Run it on a machine that does nothing else.
 *
 * Usage: node bench/remote.ts [SCALE OF THE TREE] [ROUNDS]
 */
import fs from 'node:fs'
import path from 'node:path'
import { checkOptions, quietContext, type Storage, type StorageDriver, spell } from '@freezer/sdk'
import { ssh } from '@freezer/storage-ssh'
import { swift } from '@freezer/storage-swift'
import { startSshd } from '../test/services/sshd.ts'
import { keeper, startSwift } from '../test/services/swift.ts'
import { filesBelow, json, scratchDirectory } from '../test/support/program.ts'
import { makeTree } from './corpus.ts'

const scale = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 5)
const { signal } = new AbortController()
/** Jiffies in a second, as Linux shows them to programs. */
const jiffies = 100

interface Taken {
  readonly seconds: number
  /** Of all cores together. */
  readonly busy: number
}

/** A server, the options that lead to a container of it, and the same for the program. */
interface Remote {
  readonly storage: Storage
  readonly flags: (container: string) => readonly string[]
}

await using sshd = await startSshd()
await using proxy = await startSwift()
const scratch = scratchDirectory('bench-remote')
const osrc = path.join(scratch.path, 'openrc')
fs.writeFileSync(osrc, `OS_AUTH_URL=${proxy.authUrl} OS_USERNAME=${keeper.user} OS_PASSWORD=${keeper.key}\n`)
const ini = path.join(scratch.path, 'ssh.ini')
const sshOptions = {
  sshHost: '127.0.0.1',
  sshPort: sshd.port,
  sshUsername: 'keeper',
  sshKey: sshd.key,
  sshKnownHosts: sshd.knownHosts,
}
fs.writeFileSync(
  ini,
  Object.entries(sshOptions)
    .map(([name, value]) => `${spell(name, '_')} = ${value}\n`)
    .join(''),
)
const remotes: Record<string, Remote> = {
  ssh: {
    storage: await open(ssh, { ...sshOptions, container: 'ceiling' }),
    flags: (container) => ['--config', ini, '--storage', 'ssh', '--container', container],
  },
  swift: {
    storage: await open(swift, {
      container: 'ceiling',
      osAuthUrl: proxy.authUrl,
      osUsername: keeper.user,
      osPassword: keeper.key,
    }),
    flags: (container) => ['--storage', 'swift', '--osrc', osrc, '--container', container],
  },
}

function open(driver: StorageDriver, options: Readonly<Record<string, unknown>>): Promise<Storage> {
  return driver.open(checkOptions(driver.options, options), quietContext(), { create: true })
}

/** Seconds that the cores were busy since this machine began. */
function busy(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] =
    fs.readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/ +/).slice(1).map(Number) ?? []
  return (user + nice + system + irq + soft) / jiffies
}

async function measure(work: () => Promise<unknown>): Promise<Taken> {
  const [start, before] = [performance.now(), busy()]
  await work()
  return { seconds: (performance.now() - start) / 1000, busy: busy() - before }
}

/** Puts `segments`, two at once. */
async function put({ storage }: Remote, segments: readonly Buffer[]): Promise<void> {
  const left = [...segments]
  const some = async () => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      await storage.put(`segments/${left.length}`, [one], signal)
    }
  }
  await Promise.all([some(), some()])
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const seconds = (taken: readonly Taken[]) => median(taken.map((one) => one.seconds))
const cores = (taken: readonly Taken[]) => median(taken.map((one) => one.busy))

try {
  const source = path.join(scratch.path, 'source')
  makeTree('mixed', source, scale)
  const backup = (name: string, ...flags: string[]) => json('backup', source, '--backup-name', name, ...flags)
  const sample = path.join(scratch.path, 'sample')
  await backup('sample', '--container', sample, '--max-segment-size', '16M')
  const segments = filesBelow(sample).map((file) => fs.readFileSync(path.join(sample, file)))
  const local: Taken[] = []
  const far = Object.entries(remotes).map(([name, remote]) => ({
    name,
    remote,
    backups: [] as Taken[],
    alone: [] as Taken[],
    beside: [] as Taken[],
  }))
  for (let round = 0; round < rounds; round++) {
    const name = `n${round}`
    const toDirectory = async (container: string) => {
      await backup(name, '--container', container)
      fs.rmSync(container, { recursive: true })
    }
    const directory = path.join(scratch.path, 'directory')
    local.push(await measure(() => toDirectory(directory)))
    for (const { remote, backups, alone, beside } of far) {
      backups.push(await measure(() => backup(name, ...remote.flags(`backups${round}`))))
      alone.push(await measure(() => put(remote, segments)))
      beside.push(await measure(() => Promise.all([toDirectory(directory), put(remote, segments)])))
    }
  }
  const show = (what: string, taken: readonly Taken[]) => {
    const each = taken.map((one) => one.seconds.toFixed(1)).join(', ')
    console.log(`${what}: ${seconds(taken).toFixed(2)} s (${each}), cores busy ${cores(taken).toFixed(2)} s`)
  }
  const mebibytes = segments.reduce((sum, { length }) => sum + length, 0) / 2 ** 20
  console.log(`${segments.length} blobs of ${mebibytes.toFixed(0)} MiB in all`)
  show('local', local)
  for (const { name, backups, alone, beside } of far) {
    show(name, backups)
    show(`${name}, its segments alone`, alone)
    show(`${name}, its segments beside a local backup`, beside)
    const ratios = [local, alone, beside].map((one) => (seconds(one) / seconds(backups)).toFixed(2))
    console.log(
      `${name} at ${ratios[0]} of the speed of local, ${ratios[1]} of the server alone, ${ratios[2]} of the server beside local`,
    )
  }
} finally {
  for (const { storage } of Object.values(remotes)) await storage.close?.()
  scratch.remove()
}
