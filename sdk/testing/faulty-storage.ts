import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../src/contracts/failures.ts'
import type { Storage, StoredBlob } from '../src/contracts/storage.ts'
import type { StorageMethod } from './memory-storage.ts'

/** Which calls a fault strikes; what is left out strikes all. */
interface Where {
  /** The k-th call, from 1: of `method` when that is given, else of all methods together. */
  readonly call?: number
  /** With `call`: so many calls from that one on; 1 unless said. */
  readonly count?: number
  readonly method?: StorageMethod
}

export type Fault = Where &
  /** The call fails before it does anything. */
  (
    | { readonly fail: Failure }
    /** The call does all its work, then fails: the answer was lost. */
    | { readonly failAfter: Failure }
    /** A `get` or `list` fails after that many bytes or keys, at its end at the latest. */
    | { readonly after: number; readonly failure: Failure }
    /** A `get` ends after that many bytes and says nothing. */
    | { readonly cut: number }
    /** A `get` gives the byte at this place of its answer with the lowest bit flipped. */
    | { readonly flip: number }
    /** The call begins that many milliseconds late. */
    | { readonly delay: number }
  )

/** Told of each call, `call` counting from 1 over all methods; `key` is the prefix for `list`. */
export type OnCall = (call: number, method: StorageMethod, key: string) => void | Promise<void>

/** `storage` with faults injected. `onCall` runs before the call does, so a test can kill its process there. */
export function faultyStorage(storage: Storage, faults: readonly Fault[], onCall?: OnCall): Storage {
  const calls = { all: 0, put: 0, get: 0, list: 0, remove: 0 }

  /** Counts the call, strikes with what comes before it, and gives what comes later. */
  async function begin(method: StorageMethod, key: string, signal: AbortSignal): Promise<readonly Fault[]> {
    const call = ++calls.all
    const callOfMethod = ++calls[method]
    await onCall?.(call, method, key)
    const struck = faults.filter(
      (fault) =>
        (fault.method ?? method) === method &&
        isStruck(fault, fault.method === undefined ? call : callOfMethod),
    )
    for (const fault of struck) {
      if ('delay' in fault) await sleep(fault.delay, undefined, { signal })
      if ('fail' in fault) throw fault.fail
    }
    return struck
  }

  function end(struck: readonly Fault[]): void {
    for (const fault of struck) {
      if ('failAfter' in fault) throw fault.failAfter
      if ('failure' in fault) throw fault.failure
    }
  }

  return {
    settle: storage.settle,
    segmentSize: storage.segmentSize,
    async put(key, chunks, signal) {
      const struck = await begin('put', key, signal)
      await storage.put(key, chunks, signal)
      end(struck)
    },
    async *get(key, range, signal): AsyncGenerator<Uint8Array> {
      const struck = await begin('get', key, signal)
      const cut = Math.min(...struck.map((fault) => ('cut' in fault ? fault.cut : Number.POSITIVE_INFINITY)))
      let position = 0
      for await (const chunk of storage.get(key, range, signal)) {
        for (const fault of struck) {
          if ('flip' in fault && fault.flip >= position && fault.flip < position + chunk.length) {
            chunk[fault.flip - position]! ^= 1
          }
        }
        for (const fault of struck) {
          if (!('failure' in fault) || position + chunk.length < fault.after) continue
          if (fault.after > position) yield chunk.subarray(0, fault.after - position)
          throw fault.failure
        }
        if (position + chunk.length >= cut) {
          if (cut > position) yield chunk.subarray(0, cut - position)
          break
        }
        position += chunk.length
        yield chunk
      }
      end(struck)
    },
    async *list(prefix, signal): AsyncGenerator<StoredBlob> {
      const struck = await begin('list', prefix, signal)
      let given = 0
      for await (const blob of storage.list(prefix, signal)) {
        for (const fault of struck) if ('failure' in fault && given >= fault.after) throw fault.failure
        given++
        yield blob
      }
      end(struck)
    },
    async remove(key, signal) {
      const struck = await begin('remove', key, signal)
      await storage.remove(key, signal)
      end(struck)
    },
    close: async () => storage.close?.(),
  }
}

function isStruck({ call, count = 1 }: Where, at: number): boolean {
  return call === undefined || (at >= call && at < call + count)
}
