/** Real btrfs file systems on loop devices, mounted where no other process of this machine sees them. */
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { installPackages } from './service.ts'

const marker = 'FREEZER_TEST_OWN_MOUNTS'

/** Milliseconds that a file of tests may take. */
const limit = 580_000

/**
 * Whether this process has mounts of its own. Where it has not, a test is registered that runs the file once more with such:
 * whatever that mounts is gone when it ends, however it ends.
 * @param url `import.meta.url` of the test file
 */
export function hasOwnMounts(url: string): boolean {
  if (process.env[marker] !== undefined) return true
  const file = fileURLToPath(url)
  test(`${path.basename(file)} with mounts of its own`, () => {
    const words = ['--mount', '--propagation', 'private', process.execPath]
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const { status } = spawnSync('unshare', [...words, '--test-reporter=spec', file], {
      env: { ...env, [marker]: '1' },
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: limit,
      killSignal: 'SIGKILL',
    })
    if (status !== 0) throw new Error(`It ended with ${status}; see above.`)
  })
  return false
}

export interface LoopFileSystem {
  /** Where it is mounted. */
  readonly path: string
  readonly remove: () => void
}

/**
 * Makes a file system and mounts it. Needs mounts of its own, see `hasOwnMounts`.
 * @param size bytes
 */
export function makeFileSystem(type: 'btrfs' | 'ext4', size = 256 * 2 ** 20): LoopFileSystem {
  installPackages('btrfs-progs', 'e2fsprogs')
  const directory = fs.mkdtempSync(path.join(tmpdir(), `freezer-${type}-`))
  const [image, point] = [path.join(directory, 'image'), path.join(directory, 'mounted')]
  fs.writeFileSync(image, '')
  fs.truncateSync(image, size)
  fs.mkdirSync(point)
  // Not in the path of everybody.
  execFileSync(`/sbin/mkfs.${type}`, ['-q', image], { stdio: 'pipe' })
  execFileSync('mount', ['-o', 'loop', image, point])
  return {
    path: point,
    remove: () => {
      spawnSync('umount', ['--recursive', point])
      fs.rmSync(directory, { recursive: true, force: true })
    },
  }
}
