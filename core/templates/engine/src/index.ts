import { declareEngine, type Plugin } from '@freezer/sdk'

/** The simplest archive that keeps the contract. The code of an engine runs on a thread of its own. */
export const engine = declareEngine({
  name: 'template',
  description: 'A line of JSON and the content for each file',
  options: {},
  module: import.meta.url,
  async backup(run) {
    const { backup } = await import('./backup.ts')
    return backup(run)
  },
  async restore(run) {
    const { restore } = await import('./restore.ts')
    return restore(run)
  },
  async list(run) {
    const { list } = await import('./list.ts')
    return list(run)
  },
})

export default { engines: [engine] } satisfies Plugin
