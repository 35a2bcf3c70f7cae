import { execFile } from 'node:child_process'
import { access, constants, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Failure, type Snapshot, throwIfAborted } from '@freezer/sdk'

/** The same name in every run, so that the next one finds what a killed one left. */
const placeOf = (path: string) => join(dirname(path), `.${basename(path)}.snapshot`)

/** Whether there can be a copy beside `path`. */
export async function canCopy(path: string): Promise<boolean> {
  if (path === dirname(path)) return false
  return access(dirname(path), constants.W_OK).then(
    () => true,
    () => false,
  )
}

export async function copyBeside(path: string, signal: AbortSignal): Promise<Snapshot> {
  throwIfAborted(signal)
  const copy = placeOf(path)
  const remove = () => rm(copy, { recursive: true, force: true })
  await remove()
  try {
    await promisify(execFile)('cp', ['--archive', '--reflink=auto', '--', path, copy], { signal })
  } catch (error) {
    await remove()
    throwIfAborted(signal)
    throw new Failure('source', `Cannot copy ${path}: ${(error as Error).message}`, { cause: error })
  }
  return {
    path: copy,
    async verify() {
      await stat(copy).catch((cause) => {
        throw new Failure('source', `The snapshot ${copy} is gone.`, { cause })
      })
    },
    [Symbol.asyncDispose]: remove,
  }
}
