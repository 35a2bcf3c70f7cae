/** What differs between two backups, as people and scripts read it. */
import type { Difference } from '@freezer/sdk'
import { entryJson, entryName } from './entries.ts'
import { count } from './text.ts'

/** Whether nothing but a time of something that is no file says that it changed. */
export function isOfTimesAlone(difference: Difference): boolean {
  return (
    difference.change === 'changed' &&
    difference.aspects.every((aspect) => aspect === 'mtime' || aspect === 'ctime')
  )
}

export function differenceJson(difference: Difference): object {
  const { change } = difference
  return {
    change,
    ...(change === 'changed' ? { aspects: difference.aspects } : {}),
    ...(change === 'added' ? {} : { before: entryJson(difference.before) }),
    ...(change === 'removed' ? {} : { after: entryJson(difference.after) }),
  }
}

export function differenceLine(difference: Difference): string {
  switch (difference.change) {
    case 'added':
      return `+ ${entryName(difference.after)}`
    case 'removed':
      return `- ${entryName(difference.before)}`
    case 'changed':
      return `M ${entryName(difference.after)}  (${difference.aspects.join(', ')})`
  }
}

export function countsLine(counts: Record<Difference['change'], number>): string {
  const { added, removed, changed } = counts
  return `${count(added)} added, ${count(removed)} removed, ${count(changed)} changed.`
}
