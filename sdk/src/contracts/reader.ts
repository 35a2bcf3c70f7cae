/**
 * A reader reads containers that another program wrote. When a container has no marker of Freezer's own, the installed
 * readers are asked whether they know what it is. What a reader gives is what Freezer's own verbs understand: a list of
 * backups, and of each the archive of its level, decrypted and decompressed, in the form of an engine that is installed.
 * Restore, list, compare and copy then go the same ways, with the same checks, as those of Freezer's own backups.
 *
 * A reader only reads: it is given a storage on which it may `get` and `list`. Keys that other programs put may hold more
 * than Freezer's own (`isReadableKey`).
 */
import type { Context } from './context.ts'
import type { Failure } from './failures.ts'
import type { Storage } from './storage.ts'

/** A backup in a container of another program. */
export interface ForeignBackup {
  /** 32 hexadecimal digits, the same each time the container is looked at. */
  readonly id: string
  readonly host: string
  readonly name: string
  /** 0 for one that is whole, n for what changed since n-1. */
  readonly level: number
  /** Id of the level 0; its own at level 0. */
  readonly chain: string
  /** Id of the backup one level below that it builds on; undefined at level 0, and where that is missing. */
  readonly parent: string | undefined
  /** Milliseconds since 1970. No two of a host and name are of one moment. */
  readonly time: number
  /** What it is of, in a few words: "files", "image of a server". */
  readonly content: string
  /** The engine of Freezer that understands its archive; undefined for what cannot be restored yet. */
  readonly archive: string | undefined
  /** What the other program calls its engine and its codecs. */
  readonly engine: string
  readonly codecs: readonly string[]
  readonly encrypted: boolean
  /** Bytes that it takes on the storage. */
  readonly stored: number
  /** What else the other program noted about it. No secrets. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Why it cannot be read, where that is known already: its description is damaged, a part of it is missing. */
  readonly failure: Failure | undefined
}

/** A container of another program, opened. */
export interface ForeignContainer {
  /**
   * Every backup, oldest first.
   * @throws Failure of the storage
   */
  backups(signal: AbortSignal): Promise<readonly ForeignBackup[]>
  /**
   * The archive of a backup: of its own level alone, as the engine that `archive` names wrote or could have written it.
   * Nothing is kept in memory but what decoding takes, whatever the archive claims. May be called again, also while an
   * earlier iteration is under way; leaving an iteration releases everything.
   * @throws Failure `damaged` where stored bytes are missing, cut off or not what was stored, after whatever could be read
   *   before; `key` for a passphrase that is missing or wrong; `plugin` for what this machine lacks
   */
  read(backup: ForeignBackup, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** What opens the backups of another program. */
export interface ForeignSecrets {
  /** Bytes, without a line end. */
  readonly passphrase: Uint8Array | undefined
}

/** A reader as a plugin provides it. */
export interface ContainerReader {
  readonly name: string
  readonly description: string
  /** The program whose containers it reads, for people. */
  readonly program: string
  /** Readers take no options in this version of the contracts. */
  readonly options: Readonly<Record<string, never>>
  /**
   * Whether this is a container of that program. Costs a call or two, and believes nothing but what is there.
   * @throws Failure of the storage
   */
  recognises(storage: Storage, signal: AbortSignal): Promise<boolean>
  /** Opens a container that was recognised. The storage stays the caller's. */
  open(storage: Storage, secrets: ForeignSecrets, context: Context): Promise<ForeignContainer>
}

/** Declares a reader. */
export function declareReader(reader: ContainerReader): ContainerReader {
  return reader
}
