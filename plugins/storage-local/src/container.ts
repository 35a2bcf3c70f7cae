import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Failure, fromSystem, type Storage } from '@freezer/sdk'
import { get, list } from './read.ts'
import { prepareContainer, writer } from './write.ts'

/**
 * Opens the container at `path`.
 * @param now milliseconds since 1970
 * @throws Failure `not-found` when it is missing and not to be made, `denied`, `no-space`
 */
export async function openContainer(
  path: string,
  { create, now }: { readonly create: boolean; readonly now: number },
): Promise<Storage> {
  const container = resolve(path)
  if (create) await prepareContainer(container, now)
  await checkContainer(container)
  return {
    ...writer(container),
    get: (key, range, signal) => get(container, key, range, signal),
    async *list(prefix, signal) {
      yield* list(container, prefix, signal)
      // A directory that is missing holds no blobs, unless all are missing because the container is.
      await checkContainer(container)
    },
  }
}

/** @throws Failure `not-found` unless the container is a directory */
async function checkContainer(container: string): Promise<void> {
  let isDirectory: boolean | undefined
  try {
    isDirectory = (await stat(container)).isDirectory()
  } catch (error) {
    const failure = fromSystem(error, `open the container ${container}`)
    if (failure.code !== 'not-found') throw failure
  }
  if (isDirectory === true) return
  throw new Failure(
    'not-found',
    isDirectory === undefined ? `There is no container ${container}.` : `${container} is not a directory.`,
    { remedy: 'Check the path, and that the disk it should be on is mounted.' },
  )
}
