/** The engine `tar`: archives that GNU tar understands whole. */
import { declareEngine, type Plugin } from '@freezer/sdk'

export const tar = declareEngine({
  name: 'tar',
  description: 'Archives a directory tree the way GNU tar does, all metadata and increments included',
  options: {},
  module: import.meta.url,
  prepare: () => import('@freezer/filesystem'),
  backup: async (run) => (await import('./backup.ts')).backup(run),
  restore: async (run) => (await import('./restore.ts')).restore(run),
  list: async (run) => (await import('./list.ts')).list(run),
})

export default { engines: [tar] } satisfies Plugin
