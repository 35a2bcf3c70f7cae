/** Restore: the archive is the content of the one file that the index names. */
import { checkName, type IncomingFile, openTarget, type Receiver } from '@freezer/filesystem'
import {
  asFailure,
  displayPath,
  type EngineRestore,
  type Entry,
  type EntryDetails,
  Failure,
  isFailure,
  throwIfAborted,
} from '@freezer/sdk'

const details: EntryDetails = { attributes: [], device: { major: 0, minor: 0 } }
const nothing = new Uint8Array(0)

/**
 * Restores the stream as a file of its name, or hands it out.
 * @throws Failure `hostile` for an entry that no honest backup holds, `no-space`, `denied`
 */
export async function restore(run: EngineRestore): Promise<void> {
  const { entries } = run
  const receiver = openTarget(run)
  run.expect?.((entry) => (receiver.foresee(entry) === 'content' ? entry.place.length : 0))
  let promised = run.promised
  try {
    for (;;) {
      const entry = entries.peek()
      if (entry === undefined) {
        if (!(await entries.more())) break
        continue
      }
      check(entry)
      promised -= entry.size
      if (promised < 0) throw dishonest('The stream is longer than the backup promised.')
      await bring(run, receiver, entry)
      run.count(1, 0)
      entries.next()
    }
    await receiver.finish()
  } finally {
    receiver.abandon()
  }
}

async function bring(run: EngineRestore, receiver: Receiver, entry: Entry): Promise<void> {
  const need = receiver.need(entry)
  if (need === 'left' || need === 'nothing') return
  if (need === 'metadata' && (await receiver.settle(entry, details)) !== undefined) return
  if (entry.size === 0) {
    await receiver.file(entry, details, nothing)
    return
  }
  const file = await receiver.begin(entry, details)
  if (file !== undefined) await copy(run, entry, file)
}

async function copy(
  { archive, signal, count, warn, target }: EngineRestore,
  entry: Entry,
  file: IncomingFile,
) {
  const { size, place } = entry
  let position = 0
  while (position < size) {
    let bytes: Uint8Array | undefined
    try {
      throwIfAborted(signal)
      bytes = await archive.at(place.level, place.offset + position)
      if (bytes === undefined) throw new Failure('damaged', 'The archive ends before the stream does.')
    } catch (error) {
      await file.discard(asFailure(error))
      if (!isFailure(error) || error.code !== 'damaged') throw error
      if (target.kind === 'entries') return
      const undone = target.purpose === 'verify' ? 'not compared' : 'not restored'
      warn({ kind: 'unrestored', path: displayPath(entry.name), message: `${undone}: ${error.message}` })
      return
    }
    const part = bytes.subarray(0, size - position)
    const wanted = await file.write(part, position)
    position += part.length
    count(0, part.length)
    if (!wanted) break
  }
  await file.finish()
}

/** @throws Failure `hostile` for an entry that this engine does not write */
function check({ type, directory, name, mode, uid, gid, size, mtime, mtimeNs, place }: Entry): void {
  checkName(name)
  const honest =
    type === 'file' &&
    directory === '' &&
    [size, place.level, place.offset].every((number) => Number.isSafeInteger(number) && number >= 0) &&
    place.length === size &&
    mode <= 0o7777 &&
    Math.max(uid, gid) < 0xffffffff &&
    Number.isSafeInteger(mtime) &&
    mtimeNs < 1_000_000_000
  if (!honest) throw dishonest(`The index says of ${JSON.stringify(displayPath(name))} what cannot be.`)
}

function dishonest(message: string): Failure {
  return new Failure('hostile', message, {
    remedy: 'No honest backup does this: do not trust where it came from.',
  })
}
