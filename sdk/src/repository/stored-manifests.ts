/** Manifests, each read once. */
import { type FailureRecord, isFailure, toRecord } from '../contracts/failures.ts'
import type { Manifest } from './manifest.ts'
import type { BackupName } from './names.ts'
import { readEach } from './records.ts'
import type { Repository } from './repository.ts'

/** A manifest; why it cannot be read; or nothing when it is gone. */
export type ReadManifest = { readonly manifest: Manifest } | { readonly failure: FailureRecord } | undefined

export class StoredManifests {
  readonly #repository: Repository
  readonly #signal: AbortSignal
  readonly #read = new Map<string, Promise<ReadManifest>>()

  constructor(repository: Repository, signal: AbortSignal) {
    this.#repository = repository
    this.#signal = signal
  }

  get(name: BackupName): Promise<ReadManifest> {
    let reading = this.#read.get(name.key)
    if (reading === undefined) {
      reading = this.#load(name)
      this.#read.set(name.key, reading)
    }
    return reading
  }

  /** Reads many, several at a time; in the order of `names`. */
  getAll(names: readonly BackupName[]): Promise<ReadManifest[]> {
    return readEach(names, (name) => this.get(name))
  }

  async #load(name: BackupName): Promise<ReadManifest> {
    try {
      return { manifest: await this.#repository.manifest(name, this.#signal) }
    } catch (error) {
      if (isFailure(error) && error.code === 'not-found') return undefined
      if (isFailure(error) && error.code === 'damaged') return { failure: toRecord(error) }
      throw error
    }
  }
}
