import { existsSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Failure, type FailureCode, type Storage, throwIfAborted } from '@freezer/sdk'

/** Bytes that `get` gives at a time. */
const piece = 256 * 1024

/** What SQLite's result codes mean to Freezer, which tries `unavailable` again. */
const codes: Record<number, FailureCode> = { 5: 'unavailable', 8: 'denied', 13: 'no-space', 14: 'denied' }

export function openBlobs(file: string, create: boolean): Storage {
  if (!create && !existsSync(file)) throw new Failure('not-found', `There is no container ${file}.`)
  const database = new DatabaseSync(file, { timeout: 5000 })
  database.exec('CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, bytes BLOB) STRICT')
  const insert = database.prepare('INSERT OR REPLACE INTO blobs VALUES (?, ?)')
  const select = database.prepare('SELECT bytes FROM blobs WHERE key = ?')
  const all = database.prepare('SELECT key, length(bytes) AS size FROM blobs WHERE key GLOB ?')

  /** Does nothing once aborted, and fails with the codes of Freezer. */
  function run(signal: AbortSignal, statement: StatementSync, ...values: SQLInputValue[]) {
    throwIfAborted(signal)
    try {
      return statement.all(...values)
    } catch (error) {
      const code = codes[(error as { errcode: number }).errcode] ?? 'internal'
      throw new Failure(code, `SQLite says: ${(error as Error).message}.`, { cause: error })
    }
  }

  return {
    async put(key, chunks, signal) {
      run(signal, insert, key, Buffer.concat(chunks))
    },
    async *get(key, { offset, length } = { offset: 0, length: Number.POSITIVE_INFINITY }, signal) {
      const [row] = run(signal, select, key)
      if (row === undefined) throw new Failure('not-found', `There is no blob ${key}.`)
      const bytes = (row.bytes as Uint8Array).subarray(offset, offset + length)
      for (let at = 0; at < bytes.length; at += piece) {
        throwIfAborted(signal)
        yield bytes.subarray(at, at + piece)
      }
    },
    async *list(prefix, signal) {
      for (const { key, size } of run(signal, all, `${prefix}*`)) {
        throwIfAborted(signal)
        yield { key: String(key), size: Number(size) }
      }
    },
    async remove(key, signal) {
      run(signal, database.prepare('DELETE FROM blobs WHERE key = ?'), key)
    },
    close: async () => database.close(),
  }
}
