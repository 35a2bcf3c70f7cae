/** What a search found, as people and scripts read it. */
import type { FoundEntry, FoundIn, FoundVersion, Loss } from '@freezer/sdk'
import { displayPath } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import { base64, entryJson, entryName, isText, lostPageMessage, shownTime } from './entries.ts'
import { shownId } from './results.ts'
import { count, size, visible } from './text.ts'

export function foundJson({ host, name, path, versions }: FoundEntry): object {
  return {
    host,
    name,
    path: displayPath(path),
    ...(isText(path) ? {} : { bytes: base64(path) }),
    versions: versions.map(({ entry, backups }) => {
      const { path: _, bytes: __, ...rest } = entryJson(entry) as Record<string, unknown>
      return { ...rest, backups }
    }),
  }
}

/** The path, and a line for each of its versions; `heading` comes before them when there is one. */
export function foundLines({ versions }: FoundEntry, heading: string | undefined): string[] {
  const [first] = versions
  return [
    ...(heading === undefined ? [] : [`${visible(heading)}:`]),
    ...(first === undefined ? [] : [`  ${entryName(first.entry)}`]),
    ...versions.map(versionLine),
  ]
}

function versionLine({ entry, backups }: FoundVersion): string {
  const first = backups[0]
  const last = backups.at(-1)
  if (first === undefined || last === undefined) return ''
  const where =
    backups.length === 1
      ? `in ${shown(first)}`
      : `in ${count(backups.length)} backups, ${shown(first)} to ${shown(last)}`
  return `    ${shownTime(entry)}  ${size(entry.size).padStart(10)}  ${where}`
}

function shown({ id, time }: FoundIn): string {
  return `${id.slice(0, shownId)} (${localTime(time)})`
}

export function lossMessage({ failure, backups, page }: Loss): string {
  const which = backups.map((id) => id.slice(0, shownId)).join(', ')
  return page === undefined
    ? `The backup ${which} was not searched: ${failure.message}`
    : `${lostPageMessage(page)} It belongs to ${which}.`
}
