import { Failure } from '@freezer/sdk'

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/**
 * The last instant that `text` (ISO 8601) can mean, to the millisecond: `2026-07-01` is the end of that day,
 * `2026-07-01T10:30` the end of that minute, `2026-07-01T10:30:05` the end of that second. So a date is always
 * inclusive, and the time that a listing shows finds the backup that it was shown for. Local time without a zone.
 *
 * @throws Failure `usage`
 */
export function parseDate(text: string): Date {
  return new Date(instants(text).end)
}

/**
 * The first instant that `text` can mean: what is older is older than all of it.
 * @throws Failure `usage`
 */
export function parseDateStart(text: string): Date {
  return new Date(instants(text).start)
}

/** The first and the last instant that `text` can mean, in milliseconds since 1970. */
function instants(text: string): { start: number; end: number } {
  const match = pattern.exec(text.trim())
  if (match === null) throw invalid(text)
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const fraction = match[7]
  const inCalendar = new Date(Date.UTC(year, month - 1, day))
  if (inCalendar.getUTCMonth() !== month - 1 || inCalendar.getUTCDate() !== day) throw invalid(text)
  if (hour > 23 || minute > 59 || second > 59) throw invalid(text)

  const milliseconds = fraction === undefined ? 0 : Number(fraction.padEnd(3, '0').slice(0, 3))
  if (match[4] === undefined) {
    return { start: local(year, month, day, 0, 0, 0, 0), end: local(year, month, day + 1, 0, 0, 0, 0) - 1 }
  }
  const precision = match[6] === undefined ? 60_000 : fraction === undefined ? 1000 : 1
  const zone = match[8]
  const start =
    zone === undefined
      ? local(year, month, day, hour, minute, second, milliseconds)
      : Date.UTC(year, month - 1, day, hour, minute, second, milliseconds) - zoneOffset(zone, text)
  return { start, end: start + precision - 1 }
}

function local(...[year, month, ...rest]: [number, number, number, number, number, number, number]): number {
  return new Date(year, month - 1, ...rest).getTime()
}

/** Milliseconds that a clock in `zone` is ahead of UTC. */
function zoneOffset(zone: string, text: string): number {
  if (zone.toUpperCase() === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  if (hours > 23 || minutes > 59) throw invalid(text)
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

function invalid(text: string): Failure {
  return new Failure('usage', `"${text}" is not a date.`, {
    remedy: 'Write it like 2026-07-01, 2026-07-01T10:30:00 or 2026-07-01T10:30:00+02:00.',
  })
}

/** An ISO 8601 time as this machine's local time, to the second, in a form that `parseDate` takes. */
export function localTime(iso: string): string {
  const date = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
