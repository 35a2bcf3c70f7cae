import type { Contestant } from './contestant.ts'

export const borg: Contestant = {
  name: 'borg',
  label: 'borg',
  settings: 'zstd 3, repokey: AES-256-CTR with HMAC-SHA256, fsync of every segment',
  programs: ['borg'],
  packages: ['borgbackup'],
  version: 'borg --version',
  environment: ({ store, work, passphrase }) => ({
    BORG_REPO: `${store}/repository`,
    BORG_PASSPHRASE: passphrase,
    BORG_BASE_DIR: `${work}/borg`,
  }),
  init: 'borg init --encryption repokey',
  backup: 'cd "$SOURCE" && borg create --compression zstd,3 "::$GENERATION" .',
  restore: 'cd "$TARGET" && borg extract "::$PREVIOUS"',
}
