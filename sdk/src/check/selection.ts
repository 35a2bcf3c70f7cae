/** Which blocks a check reads. */
import type { ProgressFile } from './progress-file.ts'
import { type NumberRange, Ranges } from './ranges.ts'

/** All data, a share of it (0 to 1), or so many stored bytes. */
export type DataPart = 'all' | { readonly share: number } | { readonly bytes: number }

/** The archive of a level, by what is known without reading it. */
export interface ArchiveFacts {
  readonly id: string
  readonly blocks: number
  /** Bytes of its segments. */
  readonly stored: number
}

/** A part is made up of about so many pieces of neighbouring blocks, over the whole container. */
const pieces = 5000

/**
 * Blocks to read of each archive, by id. Of a part: what was verified longest ago, in no particular order where the
 * file does not tell.
 */
export function selectBlocks(
  archives: readonly ArchiveFacts[],
  part: DataPart,
  progress: ProgressFile,
): Map<string, Ranges> {
  const selected = new Map<string, Ranges>()
  if (part === 'all') {
    for (const { id, blocks } of archives) {
      const left = new Ranges([{ start: 0, end: blocks }]).without(progress.inRound(id))
      if (!left.empty) selected.set(id, left)
    }
    return selected
  }
  const total = archives.reduce((sum, { stored }) => sum + stored, 0)
  let budget = 'share' in part ? part.share * total : part.bytes
  const chosen = new Map<string, NumberRange[]>()
  for (const { archive, range } of oldestFirst(archives, progress)) {
    if (budget <= 0) break
    budget -= storedOf(archive, range)
    const ranges = chosen.get(archive.id)
    if (ranges === undefined) chosen.set(archive.id, [range])
    else ranges.push(range)
  }
  for (const [id, ranges] of chosen) selected.set(id, new Ranges(ranges))
  return selected
}

/** About how many stored bytes blocks have. */
export function storedOf({ blocks, stored }: ArchiveFacts, { start, end }: NumberRange): number {
  return blocks === 0 ? 0 : (stored * (end - start)) / blocks
}

function oldestFirst(
  archives: readonly ArchiveFacts[],
  progress: ProgressFile,
): { archive: ArchiveFacts; range: NumberRange }[] {
  const blocks = archives.reduce((sum, archive) => sum + archive.blocks, 0)
  const length = Math.max(1, Math.ceil(blocks / pieces))
  const all = archives.flatMap((archive) =>
    Array.from({ length: Math.ceil(archive.blocks / length) }, (_, at) => {
      const range = { start: at * length, end: Math.min(archive.blocks, (at + 1) * length) }
      return {
        archive,
        range,
        time: progress.oldest(archive.id, range.start, range.end),
        order: Math.random(),
      }
    }),
  )
  return all.sort((a, b) => a.time - b.time || a.order - b.order)
}
