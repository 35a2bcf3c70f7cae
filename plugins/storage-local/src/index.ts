import { declareStorage, type Plugin } from '@freezer/sdk'

/** A directory of this machine, or of whatever is mounted there, as a storage. */
export const local = declareStorage({
  name: 'local',
  description: 'A directory of this machine',
  options: {
    container: {
      type: 'path',
      value: 'DIR',
      required: true,
      help: 'Directory to keep backups in.\nIt is made when the first backup is written to it.',
    },
  },
  async open({ container }, context, { create }) {
    const { openContainer } = await import('./container.ts')
    return openContainer(container, { create, now: context.now() })
  },
})

export default { storages: [local] } satisfies Plugin
