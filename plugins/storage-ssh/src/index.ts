import { declareStorage, type Plugin } from '@freezer/sdk'
import { sshOptions } from './options.ts'

/** A directory of another machine, reached over SSH with its file transfer protocol (SFTP). */
export const ssh = declareStorage({
  name: 'ssh',
  description: 'A directory of another machine, over SSH',
  options: sshOptions,
  async open(options, context, { create }) {
    const { openStorage } = await import('./open.ts')
    return openStorage(options, context, create)
  },
})

export default { storages: [ssh] } satisfies Plugin
