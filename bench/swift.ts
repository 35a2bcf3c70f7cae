/**
 * The storage `swift` beside `curl` and python-swiftclient, in turns, with a real Swift of this machine: how fast each writes
 * and reads the same objects, one after the other over one connection. Prints what each took, and how fast ours is measured
 * by the others: 1.00 is as fast. Whole backups are in remote.ts.
 *
 * Usage: node bench/swift.ts [MIB] [ROUNDS]
 */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { checkOptions, quietContext } from '@freezer/sdk'
import { swift } from '@freezer/storage-swift'
import { installPackages } from '../test/services/service.ts'
import { keeper, startSwift } from '../test/services/swift.ts'
import { scratchDirectory } from '../test/support/program.ts'

const mib = Number(process.argv[2] ?? 128)
const rounds = Number(process.argv[3] ?? 5)
const { signal } = new AbortController()

installPackages('python3-swiftclient', 'curl')
await using server = await startSwift()
const scratch = scratchDirectory('bench-swift')
const options = checkOptions(swift.options, {
  container: 'bench',
  osAuthUrl: server.authUrl,
  osUsername: keeper.user,
  osPassword: keeper.key,
})
const storage = await swift.open(options, quietContext(), { create: true })
const login = await fetch(server.authUrl, {
  headers: { 'x-auth-user': keeper.user, 'x-auth-key': keeper.key },
})
const account = login.headers.get('x-storage-url') ?? ''
const token = login.headers.get('x-auth-token') ?? ''
const output = path.join(scratch.path, 'got')

/** Seconds. */
async function time(work: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

/** What python-swiftclient does with one connection, told apart from the start of Python. */
const python = `
import sys, time, swiftclient
verb, account, token, count, file = sys.argv[1:6]
connection = swiftclient.client.http_connection(account)
start = time.time()
for at in range(int(count)):
    name = 'python/%d' % at
    if verb == 'write':
        with open(file, 'rb') as content:
            swiftclient.client.put_object(account, token, 'bench', name, content, http_conn=connection)
    else:
        with open(file + '.got', 'wb') as out:
            for chunk in swiftclient.client.get_object(account, token, 'bench', name, resp_chunk_size=1 << 20, http_conn=connection)[1]:
                out.write(chunk)
print(time.time() - start)`

/** One object after the other, each of what is in `file` and in `chunks`. */
function contestants(file: string, count: number, chunks: readonly Uint8Array[]) {
  const names = Array.from({ length: count }, (_, at) => at)
  const curl = (verb: 'write' | 'read') => {
    const words = names.flatMap((at) => {
      const url = `${account}/bench/curl/${at}`
      return [...(verb === 'write' ? ['-T', file] : ['-o', output]), url]
    })
    execFileSync('curl', ['-sSf', '-H', `X-Auth-Token: ${token}`, '-H', 'Expect:', ...words])
  }
  const ours = async (verb: 'write' | 'read', atOnce: number) => {
    const left = [...names]
    const work = async (lane: number) => {
      for (let at = left.pop(); at !== undefined; at = left.pop()) {
        if (verb === 'write') await storage.put(`ours/${at}`, chunks, signal)
        else {
          const out = fs.openSync(`${output}${lane}`, 'w')
          for await (const chunk of storage.get(`ours/${at}`, undefined, signal)) fs.writeSync(out, chunk)
          fs.closeSync(out)
        }
      }
    }
    await Promise.all(Array.from({ length: atOnce }, (_, lane) => work(lane)))
  }
  return {
    ours: (verb: 'write' | 'read') => time(() => ours(verb, 1)),
    'ours, 2 at once': (verb: 'write' | 'read') => time(() => ours(verb, 2)),
    curl: (verb: 'write' | 'read') => time(() => curl(verb)),
    swiftclient: async (verb: 'write' | 'read') =>
      Number(
        execFileSync('/usr/bin/python3', ['-c', python, verb, account, token, String(count), file], {
          encoding: 'utf8',
        }),
      ),
  }
}

try {
  for (const size of [4, 32]) {
    const count = Math.max(1, Math.round(mib / size))
    const chunks = Array.from({ length: size }, () => randomFillSync(Buffer.allocUnsafeSlow(2 ** 20)))
    const file = path.join(scratch.path, `object${size}`)
    fs.writeFileSync(file, Buffer.concat(chunks))
    const all = Object.entries(contestants(file, count, chunks))
    for (const verb of ['write', 'read'] as const) {
      const taken = new Map(all.map(([name]) => [name, [] as number[]]))
      for (let round = 0; round < rounds; round++) {
        for (const [name, run] of all) taken.get(name)?.push(await run(verb))
      }
      const own = median(taken.get('ours') ?? [])
      for (const [name, seconds] of taken) {
        const speed = (count * size) / median(seconds)
        const each = seconds.map((one) => ((count * size) / one).toFixed(0)).join(', ')
        const ratio = name.startsWith('ours') ? '' : `, ours at ${(median(seconds) / own).toFixed(2)} of it`
        console.log(`${verb} ${count} of ${size} MiB, ${name}: ${speed.toFixed(0)} MiB/s${ratio} (${each})`)
      }
    }
  }
} finally {
  await storage.close?.()
  scratch.remove()
}
