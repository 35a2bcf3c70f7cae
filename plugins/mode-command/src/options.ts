/** How a program is chosen and run: what a backup and a restore can be told. */
import { declareOptions } from '@freezer/sdk'

const programOptions = declareOptions({
  commandDirectory: { type: 'path', value: 'DIR', help: 'Working directory of the program' },
  commandSuccess: {
    type: 'list',
    default: ['0'],
    value: 'STATUS',
    help: 'Exit status that means success (0 when not given); may be given several times',
  },
  commandTimeout: {
    type: 'duration',
    min: 1,
    value: 'DURATION',
    help: 'End the program, and fail, when it takes longer than that',
  },
})

export const backupOptions = declareOptions({
  command: {
    type: 'string',
    required: true,
    value: 'COMMAND',
    help:
      'Program with its arguments, whose output is backed up\n' +
      'Words are split as by a shell, with \'…\', "…" and backslashes; nothing is expanded, and no shell is run: write ' +
      "sh -c '…' for that. Everybody on a machine can read arguments: give secrets by the environment or in a file.",
  },
  streamName: {
    type: 'string',
    value: 'FILE',
    help: 'Name of the output in the backup; that of the program when not given',
  },
  ...programOptions,
})

export const restoreOptions = declareOptions({
  restoreCommand: {
    type: 'string',
    value: 'COMMAND',
    help: 'Program with its arguments, which reads the stream from its standard input; in place of DEST',
  },
  ...programOptions,
})
