import type { Contestant } from './contestant.ts'

const CREATE = 'tar --directory "$SOURCE" --create --listed-incremental="$WORK/snapshot" .'
const EXTRACT = 'tar --directory "$TARGET" --extract --listed-incremental=/dev/null'
const CIPHER = 'aes-256-ctr -pbkdf2 -pass file:"$PASSPHRASE_FILE"'

/** Every generation in turn, as a restore from GNU tar's levels needs. */
function eachGeneration(extract: string): string {
  return `for ((i = 0; i <= PREVIOUS; i++)); do ${extract} || exit; done`
}

export const tarZstd: Contestant = {
  name: 'tar-zstd',
  label: 'tar | zstd -3 -T2 | openssl',
  settings: 'zstd 3 on 2 threads, AES-256-CTR without authentication, --listed-incremental, no fsync',
  programs: ['tar', 'zstd', 'openssl'],
  packages: ['tar', 'zstd', 'openssl'],
  version:
    'echo "$(tar --version | head -1), zstd $(zstd --version | grep -o "v[0-9.]*"), $(openssl version | cut -d" " -f1,2)"',
  backup: `${CREATE} | zstd -q -3 -T2 | openssl enc -${CIPHER} > "$STORE/$GENERATION"`,
  restore: eachGeneration(`openssl enc -d -${CIPHER} < "$STORE/$i" | zstd -q -d | ${EXTRACT}`),
}

export const tarGzip: Contestant = {
  name: 'tar-gzip',
  label: 'tar --listed-incremental | gzip',
  settings: 'gzip 6, no encryption, no fsync',
  programs: ['tar', 'gzip'],
  packages: ['tar', 'gzip'],
  version: 'tar --version',
  backup: `${CREATE} | gzip -6 > "$STORE/$GENERATION"`,
  restore: eachGeneration(`gzip -d < "$STORE/$i" | ${EXTRACT}`),
}
