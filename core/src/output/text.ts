/** Text for people: nothing that comes from a name can steer a terminal. */

// C0 and C1 controls, DEL, line and paragraph separators, marks that turn the direction of writing, lone surrogates.
const steering = /[\p{Cc}\p{Cs}\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gv

/** `text` on one line, with everything that could steer a terminal written as `\xHH` or `\uHHHH`. */
export function visible(text: string): string {
  return text.replace(steering, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/** `value` as one line of JSON that is safe to show on a terminal. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value)
  return text.replace(steering, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** 1536 → `1.5 KiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** 12345 → `12,345`. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Seconds as `0.42 s`, `1:05` or `2:03:04`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  return clock(seconds)
}

/** Seconds as `0:07`, `1:05` or `2:03:04`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  return hours === 0 ? `${minutes}:${two(whole % 60)}` : `${hours}:${two(minutes)}:${two(whole % 60)}`
}

/** Seconds as `42s`, `5m`, `2h 5m`, `3d 4h`: what is left over is dropped. `5m ahead` for an age below 0. */
export function age(seconds: number): string {
  if (seconds < 0) return `${age(-seconds)} ahead`
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ]
  if (minutes === 0) return `${Math.floor(seconds)}s`
  if (hours === 0) return `${minutes}m`
  return days === 0 ? `${hours}h ${minutes % 60}m` : `${days}d ${hours % 24}h`
}

const wide =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}|[\u{20000}-\u{3FFFD}]/v
const zero = /[\p{Mn}\p{Me}\p{Cf}]/v

/** Columns that `text` takes on a terminal. */
export function width(text: string): number {
  let columns = 0
  for (const character of text) {
    if (!zero.test(character)) columns += wide.test(character) ? 2 : 1
  }
  return columns
}

export interface Column {
  readonly title: string
  readonly align?: 'right'
}

/** Lines of a table with aligned columns; cells are made visible. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(visible))]
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => width(row[index] ?? ''))))
  return cells.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? ''
        const space = ' '.repeat((widths[index] as number) - width(cell))
        return align === 'right' ? space + cell : cell + space
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Lines `Name:  value`, aligned. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string[] {
  const longest = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${`${name}:`.padEnd(longest + 2)}${visible(value)}`)
}
