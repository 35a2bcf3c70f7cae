/** The engine `stream`: the archive is the stream itself. */
import { declareEngine, type Plugin } from '@freezer/sdk'

export const stream = declareEngine({
  name: 'stream',
  description: 'Keeps a stream of bytes as it is; every backup is whole',
  options: {},
  module: import.meta.url,
  sources: ['stream'],
  incremental: false,
  prepare: () => import('./restore.ts'),
  backup: async (run) => (await import('./backup.ts')).backup(run),
  restore: async (run) => (await import('./restore.ts')).restore(run),
  list: async (run) => (await import('./list.ts')).list(run),
})

export default { engines: [stream] } satisfies Plugin
