import { declareSnapshotProvider, type Plugin } from '@freezer/sdk'

export const snapshot = declareSnapshotProvider({
  name: 'template',
  description: 'A copy beside the directory, which shares its blocks where the file system can',
  options: {},
  async covers(path) {
    const { canCopy } = await import('./copy.ts')
    return canCopy(path)
  },
  async create(path, _options, { signal }) {
    const { copyBeside } = await import('./copy.ts')
    return copyBeside(path, signal)
  },
})

export default { snapshots: [snapshot] } satisfies Plugin
