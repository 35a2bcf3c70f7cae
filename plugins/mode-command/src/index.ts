import { declareMode, type Plugin } from '@freezer/sdk'
import { backupOptions, restoreOptions } from './options.ts'

export const commandMode = declareMode({
  name: 'command',
  description: 'What a program writes to its standard output',
  sources: ['stream'],
  options: backupOptions,
  restoreOptions,
  async open(options, context) {
    const { openCommand } = await import('./source.ts')
    return openCommand(options, context)
  },
  async target(destination, facts, context) {
    const { openTarget } = await import('./target.ts')
    return openTarget(destination, facts, context)
  },
})

export default { modes: [commandMode] } satisfies Plugin
