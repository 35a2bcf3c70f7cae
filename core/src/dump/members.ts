/** What of a backup goes into an archive for others: what can be had of it, and what cannot is named. */
import type { Context, Entry, ExtractedEntry, Warning } from '@freezer/sdk'
import { displayPath, entryPath, Failure, isFailure, isWithin } from '@freezer/sdk'

/** An entry that is certain to go in. */
export interface Member {
  readonly entry: Entry
  readonly path: string
  readonly attributes: ExtractedEntry['attributes']
  readonly device: ExtractedEntry['device']
  /** Of a file; `entry.size` bytes. @throws Failure `damaged` */
  readonly content: AsyncIterable<Uint8Array> | undefined
}

/** Bytes of a file that are read before it goes into an archive, so that most of what is damaged can be left out. */
const beginning = 4 * 2 ** 20

/** Names what does not go in, or not whole, and counts it. */
export class Losses {
  readonly #context: Context
  /** Left out or not whole, because the archive cannot hold it. */
  inexpressible = 0
  /** Left out, because what is stored is damaged. */
  damaged = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** For who reads the backup: what it warns of is damaged. */
  readonly context = (): Context => ({
    ...this.#context,
    report: (event) => {
      if (event.type === 'warning') this.damaged++
      this.#context.report(event)
    },
  })

  tell(kind: Warning['kind'], path: string, message: string): void {
    if (kind !== 'skipped') this.inexpressible++
    this.#warn(kind, path, message)
  }

  lost(path: string, { message }: Failure): void {
    this.damaged++
    this.#warn('unrestored', path, `It is left out: ${message}`)
  }

  #warn(kind: Warning['kind'], path: string, message: string): void {
    this.#context.report({ type: 'warning', warning: { kind, path: displayPath(path) || '.', message } })
  }
}

/** `extracted` without the directories above `top`, and without what is damaged as far as that shows early. */
export async function* membersOf(
  extracted: AsyncIterable<ExtractedEntry>,
  top: string,
  losses: Losses,
): AsyncGenerator<Member> {
  for await (const { entry, attributes, device, failure, content } of extracted) {
    const path = entryPath(entry)
    if (isWithin(top, path) || (path === '' && top !== '')) continue
    if (failure !== undefined) {
      losses.lost(path, failure)
      continue
    }
    const common = { entry, path, attributes, device }
    if (entry.type !== 'file') {
      yield { ...common, content: undefined }
      continue
    }
    const rest = content()
    const chunks: Uint8Array[] = []
    try {
      for (let length = 0; length < beginning; ) {
        const { value, done } = await rest.next()
        if (done === true) break
        chunks.push(value)
        length += value.length
      }
    } catch (error) {
      if (!isFailure(error) || error.code !== 'damaged') throw error
      losses.lost(path, error)
      continue
    }
    yield { ...common, content: joined(path, chunks, rest) }
  }
}

async function* joined(
  path: string,
  chunks: Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* chunks.splice(0)
  try {
    yield* rest
  } catch (error) {
    if (!isFailure(error) || error.code !== 'damaged') throw error
    throw new Failure('damaged', `"${displayPath(path)}" is damaged: the archive ends in the middle of it.`, {
      remedy:
        'Throw the archive away; dump the other directories, or restore, which passes over what is damaged.',
      cause: error,
    })
  }
}
