import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { snapshotContract } from '@freezer/sdk/testing'
import { hasOwnMounts, makeFileSystem } from '../../../../test/services/btrfs.ts'
import { btrfs as provider } from '../../src/index.ts'
import { btrfs, makeSubvolume, snapshotsOn } from './support.ts'

if (hasOwnMounts(import.meta.url)) {
  const system = makeFileSystem('btrfs')
  const other = makeFileSystem('ext4', 16 * 2 ** 20)
  after(() => {
    system.remove()
    other.remove()
  })
  const openHandles = () => fs.readdirSync('/proc/self/fd').length
  let directories = 0

  /** As a process that is killed leaves it: it cannot have this number. */
  async function abandon(at: string): Promise<void> {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '')
    const namespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
    let root = at
    while (fs.lstatSync(root).ino !== 256) root = path.dirname(root)
    const where = root === system.path ? root : path.dirname(root)
    const name = `.freezer-snapshot.${boot}.${namespace}.4194305.17.0123456789abcdef`
    btrfs('subvolume', 'snapshot', '-r', root, path.join(where, name))
  }

  for (const [where, directory] of [
    ['a subvolume', () => makeSubvolume(path.join(system.path, `volume-${directories++}`))],
    [
      'a directory of the root of a file system',
      () => {
        const at = path.join(system.path, `directory-${directories++}`)
        fs.mkdirSync(at)
        return at
      },
    ],
  ] as const) {
    describe(where, () => {
      for (const check of snapshotContract({
        provider,
        directory,
        count: () => snapshotsOn(system.path).length,
        uncovered: other.path,
        abandon,
        openHandles,
      })) {
        test(check.name, check.run)
      }
    })
  }
}
