import type { Contestant } from './contestant.ts'

export const rsync: Contestant = {
  name: 'rsync',
  label: 'rsync --link-dest',
  settings: 'a directory for each generation; no compression, no encryption, no fsync',
  programs: ['rsync'],
  packages: ['rsync'],
  version: 'rsync --version',
  backup: 'rsync -aH ${PREVIOUS:+--link-dest="../$PREVIOUS/"} "$SOURCE/" "$STORE/$GENERATION/"',
  restore: 'rsync -aH "$STORE/$PREVIOUS/" "$TARGET/"',
}
