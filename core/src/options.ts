/** Options that several commands share. Values of type only, so that declaring them loads nothing. */
import type { OptionDeclarations } from '@freezer/sdk'

/** How every command reads its configuration and shows what it does. */
export const commonOptions = {
  config: { type: 'path', value: 'FILE', help: 'Ini file with more options' },
  json: { type: 'boolean', help: 'One JSON object on stdout, events as JSON lines on stderr' },
  quiet: { type: 'boolean', help: 'Show nothing but failures' },
  progress: { type: 'boolean', default: true, help: 'Show progress' },
  debug: { type: 'boolean', help: 'Show more of what happens, and where a failure came from' },
} as const satisfies OptionDeclarations

/** Which container a command works on, and with which key. */
export const containerOptions = {
  storage: { type: 'string', default: 'local', value: 'NAME', help: 'Where the container is' },
  encryptPassFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the passphrase',
  },
  uploadLimit: {
    type: 'bytes',
    min: 1,
    value: 'BYTES',
    help: 'Send no more than that a second: 10K, 120M',
  },
  downloadLimit: { type: 'bytes', min: 1, value: 'BYTES', help: 'Fetch no more than that a second' },
  retries: {
    type: 'integer',
    default: 7,
    min: 0,
    max: 100,
    value: 'N',
    help: 'How often a call to a storage that does not answer, or is busy, is tried again',
  },
} as const satisfies OptionDeclarations

export type ContainerOptions = OptionDeclarations & typeof containerOptions
