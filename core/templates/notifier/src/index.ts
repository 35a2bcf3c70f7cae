import { declareNotifier, type Plugin } from '@freezer/sdk'

export const notifier = declareNotifier({
  name: 'template',
  description: 'A line in a file for every run',
  options: {
    journalFile: { type: 'path', value: 'FILE', required: true, help: 'File that gets a line for every run' },
  },
  async notify(report, { journalFile }, { signal }) {
    const { append } = await import('./journal.ts')
    return append(journalFile, report, signal)
  },
})

export default { notifiers: [notifier] } satisfies Plugin
