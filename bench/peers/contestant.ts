/** Where one contestant works in one round. None of the directories is used by anything else. */
export interface Place {
  readonly source: string
  /** What counts as stored. */
  readonly store: string
  /** Home directory, caches and the state that a tool keeps beside its backups. */
  readonly work: string
  readonly target: string
  readonly passphrase: string
  readonly passphraseFile: string
}

/**
 * A backup program with its settings. Commands are lines for bash that find the place in the variables `SOURCE`, `STORE`,
 * `WORK` (also the home directory), `TARGET` and `PASSPHRASE_FILE`, the number of this backup in `GENERATION` (from 0) and
 * that of the one before in `PREVIOUS` (empty for the first).
 */
export interface Contestant {
  readonly name: string
  readonly label: string
  /** Compression, encryption, durability: what a reader must know to judge the figures. */
  readonly settings: string
  /** What must be there: programs on the path, or files by their absolute path. */
  readonly programs: readonly string[]
  /** Debian packages of the programs; empty for what the checkout itself builds. */
  readonly packages: readonly string[]
  /** Prints the version in its first line. */
  readonly version: string
  readonly environment?: (place: Place) => Readonly<Record<string, string>>
  /** Makes the repository, timed apart. */
  readonly init?: string
  readonly backup: string
  /** Restores the newest backup into the empty `TARGET`. */
  readonly restore: string
}
