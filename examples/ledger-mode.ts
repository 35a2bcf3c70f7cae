// A mode as anybody may write it: it backs up a ledger, a directory whose writers take an flock(2) on its file `lock`.
// The lock is held by a small program that ends with its standard input: when this process is killed, the lock is gone.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { declareMode, Failure, type Plugin } from '@freezer/sdk'

type Holder = ChildProcessByStdio<Writable, Readable, null>

function hasEnded({ exitCode, signalCode }: Holder): boolean {
  return exitCode !== null || signalCode !== null
}

export const ledgerMode = declareMode({
  name: 'ledger',
  description: 'A ledger, between two of its transactions',
  options: { ledger: { type: 'path', value: 'DIR', required: true, help: 'Directory of the ledger' } },
  async open({ ledger }) {
    const path = resolve(ledger)
    const lock = join(path, 'lock')
    await access(lock).catch((cause: unknown) => {
      throw new Failure('not-found', `There is no ledger in ${path}.`, { cause })
    })
    let holder: Holder | undefined

    async function release(): Promise<void> {
      if (holder === undefined) return
      const ending = holder
      holder = undefined
      const lost = hasEnded(ending)
      ending.kill()
      if (!hasEnded(ending)) await once(ending, 'exit')
      if (lost) throw new Failure('source', `The lock of ${path} was lost while it was held.`)
    }

    return {
      async *resources() {
        yield { name: '', path, facts: { path } }
      },
      async quiesce(_, signal) {
        // Without --no-fork there would be two processes, and each would keep the lock.
        const words = ['--exclusive', '--no-fork', lock, 'cat']
        holder = spawn('flock', words, { stdio: ['pipe', 'pipe', 'inherit'] })
        holder.stdin.on('error', () => {})
        holder.stdin.write('?')
        // What was written comes back once the lock is held.
        const answer = once(holder.stdout, 'data', { signal })
        const end = once(holder, 'exit').then(() => {
          throw new Failure('source', `The lock of ${path} cannot be taken.`)
        })
        await Promise.race([answer, end])
      },
      release,
      source: async (_, shown = path) => {
        return { kind: 'tree', path: shown, exclude: ['lock'], oneFileSystem: true, dereference: 'none' }
      },
      [Symbol.asyncDispose]: release,
    }
  },
  async target({ destination, overwrite, remove, purpose }) {
    if (
      overwrite === false &&
      purpose !== 'verify' &&
      (await readdir(destination).catch(() => [])).length > 0
    ) {
      throw new Failure('refused', `${destination} is not empty.`)
    }
    const asked = purpose === undefined ? {} : { purpose }
    return { kind: 'tree', path: resolve(destination), overwrite, remove, ...asked }
  },
})

export default { modes: [ledgerMode] } satisfies Plugin
