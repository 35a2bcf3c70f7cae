import type { Contestant } from './contestant.ts'

const QUIET = '--verbosity error --archive-dir "$WORK/archive"'

export const duplicity: Contestant = {
  name: 'duplicity',
  label: 'duplicity',
  settings: 'symmetric gpg with its own zlib, librsync deltas, volumes of 200 MiB',
  programs: ['duplicity', 'gpg'],
  packages: ['duplicity', 'gnupg'],
  version: 'duplicity --version',
  environment: ({ work, passphrase }) => ({
    PASSPHRASE: passphrase,
    GNUPGHOME: `${work}/gnupg`,
    TMPDIR: work,
  }),
  init: 'mkdir -m 700 "$GNUPGHOME"',
  backup: `duplicity ${QUIET} "$SOURCE" "file://$STORE/volumes"`,
  restore: `duplicity restore ${QUIET} --force "file://$STORE/volumes" "$TARGET"`,
}
