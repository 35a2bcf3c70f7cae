/** Which subvolume a path is on, and where a snapshot of it can be made. */
import { lstat, readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, fromSystem, throwIfAborted } from '@freezer/sdk'
import { type Mount, mountOf, readMounts } from './mounts.ts'
import { btrfsProgram } from './program.ts'

export interface Place {
  /** What is to be backed up, without symbolic links. */
  readonly path: string
  /** The root of its subvolume. */
  readonly root: string
  /** Where a snapshot can be made, best first; at least one. */
  readonly directories: readonly string[]
  readonly mounts: readonly Mount[]
}

/** Inode number of the root of every subvolume (BTRFS_FIRST_FREE_OBJECTID in <linux/btrfs_tree.h>). */
export const rootInode = 256

/**
 * @param chosen where the snapshot is to be made; unless said, beside the subvolume or in it
 * @throws Failure `not-found`; `source` for what is not on btrfs; `denied` without privilege, or where nothing can be
 *   written; `plugin` without the program
 */
export async function findPlace(
  path: string,
  chosen: string | undefined,
  signal: AbortSignal,
): Promise<Place> {
  throwIfAborted(signal)
  const real = await realpath(path).catch(unreadable(path))
  const mounts = await readMounts()
  const mount = mountOf(real, mounts)
  if (mount?.type !== 'btrfs') {
    throw new Failure('source', `${path} is not on btrfs, but on ${mount?.type ?? 'something unknown'}.`)
  }
  const root = await rootOf(real, mount)
  await expectPrivilege()
  await btrfsProgram(['--version'], 'ask for the version of btrfs', signal)
  const directories = await directoriesFor(root, chosen, mount, mounts)
  return { path: real, root, directories, mounts }
}

/** The root of the subvolume that `path` is on. */
async function rootOf(path: string, mount: Mount): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const { ino } = await lstat(at).catch(unreadable(at))
    if (ino === rootInode) return at
    if (at === mount.point || at === '/') break
  }
  throw new Failure('source', `Only a part of the subvolume of ${path} is mounted, at ${mount.point}.`, {
    remedy: 'Back up from where the whole subvolume is mounted.',
  })
}

/** CAP_SYS_ADMIN in <linux/capability.h>: without it a snapshot may be made and not removed again. */
const administration = 1n << 21n

async function expectPrivilege(): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  if ((BigInt(`0x${effective}`) & administration) !== 0n) return
  throw new Failure('denied', 'Snapshots of btrfs need the rights of root (CAP_SYS_ADMIN).', {
    remedy: 'Run it as root.',
  })
}

async function directoriesFor(
  root: string,
  chosen: string | undefined,
  { point, device }: Mount,
  mounts: readonly Mount[],
): Promise<readonly string[]> {
  const candidates =
    chosen === undefined
      ? root === point
        ? [root]
        : [dirname(root), root]
      : [await realpath(chosen).catch(unreadable(chosen))]
  const reasons: string[] = []
  const usable: string[] = []
  for (const directory of candidates) {
    const on = mountOf(directory, mounts)
    const reason =
      on?.device !== device
        ? 'is on another file system'
        : on.writable
          ? await untrusted(directory)
          : 'is mounted read-only'
    if (reason === undefined) usable.push(directory)
    else reasons.push(`${directory} ${reason}`)
  }
  if (usable.length > 0) return usable
  throw new Failure('denied', `There is no place for a snapshot of ${root}: ${reasons.join(', ')}.`, {
    remedy:
      'With --btrfs-snapshot-dir, name a writable directory of the same file system that nobody else can write to.',
  })
}

/** Who can write to a directory could have anything removed in the place of a snapshot. */
async function untrusted(directory: string): Promise<string | undefined> {
  const { uid, mode } = await stat(directory).catch(unreadable(directory))
  if (uid !== 0 && uid !== process.geteuid?.()) return 'belongs to another user'
  return (mode & 0o022) === 0 ? undefined : 'can be written to by others'
}

function unreadable(path: string) {
  return (error: unknown): never => {
    throw fromSystem(error, `look at ${path}`)
  }
}
