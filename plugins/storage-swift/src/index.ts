import { openstackOptions } from '@freezer/openstack/options'
import { declareStorage, type Plugin } from '@freezer/sdk'

/** A container of OpenStack Swift, or of whatever speaks as Swift does. */
export const swift = declareStorage({
  name: 'swift',
  description: 'A container of OpenStack Swift',
  options: {
    container: {
      type: 'string',
      value: 'NAME[/PREFIX]',
      required: true,
      help: 'Container to keep backups in, and what their names in it begin with.\nIt is made when the first backup is written to it.',
    },
    swiftSettle: {
      type: 'duration',
      default: 60_000,
      min: 0,
      help: 'How long listings may lag behind: a prune waits so long between its looks',
    },
    ...openstackOptions,
  },
  async open(options, context, { create }) {
    const { openStorage } = await import('./open.ts')
    return openStorage(options, context, create)
  },
})

export default { storages: [swift] } satisfies Plugin
