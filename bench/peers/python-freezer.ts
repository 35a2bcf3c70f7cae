import type { Contestant } from './contestant.ts'

const AGENT =
  'freezer-agent --quiet --storage local --container "$STORE" --backup-name bench --hostname bench --engine tar ' +
  '--compression gzip --log-file "$WORK/log"'

/** It asks for an OpenStack account even when the storage is local; nothing is contacted. */
const ACCOUNT = {
  OS_AUTH_URL: 'http://127.0.0.1:1/v3',
  OS_USERNAME: 'none',
  OS_PASSWORD: 'none',
  OS_PROJECT_NAME: 'none',
  OS_USER_DOMAIN_NAME: 'Default',
  OS_PROJECT_DOMAIN_NAME: 'Default',
}

export const pythonFreezer: Contestant = {
  name: 'python-freezer',
  label: 'the existing Freezer (Python)',
  settings:
    'tar engine, gzip 6, no encryption; one sync of all file systems before each backup, no fsync of its own files',
  programs: ['freezer-agent'],
  packages: ['python3-freezer'],
  version: "dpkg-query --show --showformat '${Version}' python3-freezer",
  environment: () => ACCOUNT,
  backup: `${AGENT} --action backup --mode fs --path-to-backup "$SOURCE" --max-level 99`,
  restore: `${AGENT} --action restore --restore-abs-path "$TARGET"`,
}
