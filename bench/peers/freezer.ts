import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Contestant } from './contestant.ts'

/** The program of this checkout, as built. */
export const PROGRAM = fileURLToPath(new URL('../../core/bin/freezer.js', import.meta.url))
const BUILT = fileURLToPath(new URL('../../core/dist/bundle/main.js', import.meta.url))
const WHERE = '--container "$STORE/container" --backup-name bench --hostname bench --quiet'

const common = {
  programs: [BUILT],
  packages: [],
  version: '"$FREEZER" --version',
  // As a user runs it: by its own first line, which finds the Node of this project.
  environment: () => ({ FREEZER: PROGRAM, PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` }),
} as const

export const freezer: Contestant = {
  ...common,
  name: 'freezer',
  label: 'Freezer (this project)',
  settings:
    'zstd 2 (the default), AES-256-GCM, key wrapped by the passphrase, fsync of every stored object; threads by default',
  backup: `"$FREEZER" backup "$SOURCE" ${WHERE} --compression zstd --encrypt-pass-file "$PASSPHRASE_FILE"`,
  restore: `"$FREEZER" restore "$TARGET" ${WHERE} --encrypt-pass-file "$PASSPHRASE_FILE"`,
}

export const freezerGzip: Contestant = {
  ...common,
  name: 'freezer-gzip',
  label: 'Freezer (this project), gzip',
  settings: 'gzip 6, no encryption, fsync of every stored object; threads by default',
  backup: `"$FREEZER" backup "$SOURCE" ${WHERE} --compression gzip`,
  restore: `"$FREEZER" restore "$TARGET" ${WHERE}`,
}
