import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { Failure, type ModeSession } from '@freezer/sdk'

/** A session for one database. What is backed up is a copy, which SQLite makes of one moment. */
export async function openDatabase(file: string): Promise<ModeSession> {
  if (!existsSync(file)) throw new Failure('not-found', `There is no database ${file}.`)
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  const copies = await mkdtemp(join(tmpdir(), 'freezer-sqlite-'))
  return {
    async *resources() {
      yield { name: '', facts: { database: file } }
    },
    async source() {
      await backup(database, join(copies, basename(file))).catch((error: Error) => {
        throw new Failure('source', `Cannot copy ${file}: ${error.message}.`, { cause: error })
      })
      return { kind: 'tree', path: copies, exclude: [], oneFileSystem: false, dereference: 'none' }
    },
    async [Symbol.asyncDispose]() {
      database.close()
      await rm(copies, { recursive: true, force: true })
    },
  }
}
