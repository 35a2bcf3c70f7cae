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
  async target(destination) {
    const { directory } = await import('./target.ts')
    return directory(destination)
  },
})

export default { modes: [mode] } satisfies Plugin
