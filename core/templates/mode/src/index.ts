import { resolve } from 'node:path'
import { declareMode, type Plugin } from '@freezer/sdk'

export const mode = declareMode({
  name: 'template',
  description: 'An SQLite database, as it is at one moment, also while programs write to it',
  options: {
    pathToBackup: { type: 'path', short: 'F', value: 'PATH', required: true, help: 'The same as PATH' },
  },
  async open({ pathToBackup }) {
    const { openDatabase } = await import('./database.ts')
    return openDatabase(pathToBackup)
  },
  // A backup of this mode is a directory with one file, so it is restored like any directory.
  async target({ destination, overwrite, remove, purpose }) {
    return {
      kind: 'tree',
      path: resolve(destination),
      overwrite,
      remove,
      ...(purpose === undefined ? {} : { purpose }),
    }
  },
})

export default { modes: [mode] } satisfies Plugin
