import type { Contestant } from './contestant.ts'

export const restic: Contestant = {
  name: 'restic',
  label: 'restic',
  settings:
    'repository version 2, zstd "auto", AES-256-CTR with Poly1305 (cannot be turned off), fsync of every pack',
  programs: ['restic'],
  packages: ['restic'],
  version: 'restic version',
  environment: ({ store, work, passphraseFile }) => ({
    RESTIC_REPOSITORY: `${store}/repository`,
    RESTIC_PASSWORD_FILE: passphraseFile,
    RESTIC_CACHE_DIR: `${work}/cache`,
  }),
  init: 'restic init -q --repository-version 2',
  backup: 'cd "$SOURCE" && restic backup -q .',
  restore: 'restic restore -q latest --target "$TARGET"',
}
