/** A backup compared with a live tree. */
import type { Context } from '../contracts/context.ts'
import type { Target } from '../contracts/engine.ts'
import { Failure } from '../contracts/failures.ts'
import type { Manifest } from '../repository/manifest.ts'
import { bringBack, type ReadRequest, type ReadResult, targetOf } from './restore.ts'

export interface VerifyRequest extends ReadRequest {
  /** The tree or stream to compare with, or who names it once the backup is known; its `purpose` is `verify`. */
  readonly target: Target | ((manifest: Manifest) => Target | Promise<Target>)
}

export interface VerifyResult extends ReadResult {
  /** Whether nothing differs, and all could be compared. */
  readonly equal: boolean
  /** Entries that are as they were; that differ; that are not there; and paths that the backup does not hold. */
  readonly same: number
  readonly changed: number
  readonly missing: number
  readonly extra: number
  /** Entries that could not be compared; each was named by a warning. */
  readonly uncompared: number
}

/**
 * Compares content byte by byte and all metadata that a backup keeps. What differs is reported as findings; extra paths are
 * looked for where the selection holds whole directories.
 * @throws Failure `not-found`, `damaged` when the backup cannot be opened at all
 */
export async function verify(request: VerifyRequest, context: Context): Promise<VerifyResult> {
  const target = async (manifest: Manifest) => {
    const found = await targetOf(request, manifest)
    if (found.kind === 'entries' || found.purpose !== 'verify') {
      throw new Failure('plugin', 'What was backed up in this mode cannot be compared with anything.')
    }
    return found
  }
  const brought = await bringBack(request, { target, list: true, phase: 'verify' }, context)
  const { same = 0, changed = 0, missing = 0, extra = 0 } = brought.counts
  const uncompared = brought.unrestored + brought.unread
  const equal = changed + missing + extra + uncompared === 0 && !brought.result.damaged
  return { ...brought.result, equal, same, changed, missing, extra, uncompared }
}
