import { declareSnapshotProvider, type Plugin } from '@freezer/sdk'

/** Read-only snapshots of btrfs subvolumes, made with the program `btrfs`. */
export const btrfs = declareSnapshotProvider({
  name: 'btrfs',
  description: 'A read-only snapshot of the btrfs subvolume',
  options: {
    btrfsSnapshotDir: {
      type: 'path',
      value: 'DIR',
      help:
        'Directory in which the snapshot is made, on the same file system\n' +
        'Unless said, it is made beside the subvolume where that can be seen, else in its root. It is removed at the end.',
    },
  },
  async covers(path, options, { signal }) {
    const { findPlace } = await import('./place.ts')
    const { isFailure } = await import('@freezer/sdk')
    try {
      await findPlace(path, options.btrfsSnapshotDir, signal)
      return true
    } catch (error) {
      if (isFailure(error) && error.code !== 'interrupted') return error
      throw error
    }
  },
  async create(path, options, context) {
    const { createSnapshot } = await import('./create.ts')
    return createSnapshot(path, options.btrfsSnapshotDir, context)
  },
})

export default { snapshots: [btrfs] } satisfies Plugin
