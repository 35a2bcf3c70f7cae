/**
 * Options are data. A driver declares each option once; flag, ini key, environment variable, validation,
 * help, manual and types are derived from that declaration.
 *
 * An option `maxSegmentSize` is `--max-segment-size` on the command line, `max_segment_size` in an ini file
 * and `FREEZER_MAX_SEGMENT_SIZE` in the environment.
 */
import { Failure } from './failures.ts'

interface Declared {
  /** The first line stands in `--help`; what follows stands in the manual only. */
  readonly help: string
  /** A one-letter flag. */
  readonly short?: string
  /** What the value is called in help: `DIR`, `BYTES`. */
  readonly value?: string
  /** The value never reaches a log, an argument list, a manifest or a message. */
  readonly secret?: boolean
  /**
   * What the flag means when it stands alone: `--overwrite` is `--overwrite=always`. A value then needs its `=`. In an ini file
   * and in the environment, `true` means the same, and `false` that the option is not given.
   */
  readonly alone?: string
  readonly required?: boolean
}

export type OptionDeclaration =
  | (Declared & {
      readonly type: 'string' | 'path'
      readonly default?: string
      readonly choices?: readonly string[]
    })
  | (Declared & { readonly type: 'list'; readonly default?: readonly string[] })
  | (Declared & { readonly type: 'boolean'; readonly default?: boolean })
  /**
   * `integer`: a whole number. `number`: any. `bytes`: a whole number, suffixes K, M, G, T mean powers of 1024.
   * `duration`: milliseconds, written like 90m, 26h, 1d12h; `default`, `min` and `max` are milliseconds too.
   */
  | (Declared & {
      readonly type: 'integer' | 'number' | 'bytes' | 'duration'
      readonly default?: number
      readonly min?: number
      readonly max?: number
    })

export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>

// Each declaration of a union for itself: what is known only when the program runs can be of any type.
type TypeOf<D extends OptionDeclaration> = D extends { type: 'list' }
  ? readonly string[]
  : D extends { type: 'boolean' }
    ? boolean
    : D extends { type: 'integer' | 'number' | 'bytes' | 'duration' }
      ? number
      : D extends { choices: readonly (infer C)[] }
        ? C
        : string

type Always<D> = D extends { default: unknown } | { required: true } | { type: 'boolean' | 'list' }
  ? true
  : false

/** The values that declarations `D` give: always present with a default or when required, else maybe undefined. */
export type Options<D extends OptionDeclarations> = {
  readonly [K in keyof D]: Always<D[K]> extends true ? TypeOf<D[K]> : TypeOf<D[K]> | undefined
}

type GivenOf<D extends OptionDeclaration> = D['type'] extends 'bytes' | 'duration'
  ? number | string
  : TypeOf<D>

/** The values of declarations `D` as a script gives them: what has a default may be left out, `'64M'` and `'26h'` are sizes and durations. */
export type GivenOptions<D extends OptionDeclarations> = {
  readonly [K in keyof D as D[K] extends { required: true } ? K : never]: GivenOf<D[K]>
} & {
  readonly [K in keyof D as D[K] extends { required: true } ? never : K]?: GivenOf<D[K]> | undefined
}

export type OptionValue = string | number | boolean | readonly string[] | undefined

/** Declares options with their literal types kept. */
export function declareOptions<const D extends OptionDeclarations>(declarations: D): D {
  return declarations
}

/** `maxSegmentSize` → `max-segment-size` (`-`) or `max_segment_size` (`_`). */
export function spell(name: string, separator: '-' | '_'): string {
  return name.replace(/[A-Z]/g, (letter) => separator + letter.toLowerCase())
}

const units: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** NaN for what is not a size. */
function bytesOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim())
  const unit = units[match?.[2]?.toUpperCase() ?? '?']
  return match === null || unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit)
}

/** `120M` → 125829120. @throws Failure `usage` */
export function parseBytes(text: string): number {
  const bytes = bytesOf(text)
  if (!Number.isSafeInteger(bytes)) {
    throw new Failure('usage', `"${text}" is not a size; write a number, or one like 10K, 120M, 2G.`)
  }
  return bytes
}

/** Milliseconds. A day has 24 hours here, whatever the calendar says. */
const spans = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 }
const durationPattern = /^(?:\d+(?:\.\d+)?\s*[wdhms]\s*)+$/

/** NaN for what is not a duration. */
function durationOf(text: string): number {
  const trimmed = text.trim()
  if (!durationPattern.test(trimmed)) return Number.NaN
  let total = 0
  for (const [, number, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*([wdhms])/g)) {
    total += Number(number) * spans[unit as keyof typeof spans]
  }
  return Math.round(total)
}

const durationWanted = 'a duration; write one like 90m, 26h, 2d, 1d12h'

/** `26h` → 93600000 milliseconds. Units are w, d, h, m, s, and there must be one. @throws Failure `usage` */
export function parseDuration(text: string): number {
  const milliseconds = durationOf(text)
  if (!Number.isSafeInteger(milliseconds)) {
    throw new Failure('usage', `"${text}" is not ${durationWanted}.`)
  }
  return milliseconds
}

/** 93600000 milliseconds → `26h`, in one unit: the largest that makes a whole number. */
export function spellDuration(milliseconds: number): string {
  const unit =
    (['w', 'd', 'h', 'm'] as const).find((u) => milliseconds > 0 && milliseconds % spans[u] === 0) ?? 's'
  return `${milliseconds / spans[unit]}${unit}`
}

/** The value of an option whose flag may stand alone, where another source says it in words. */
function spelledOut({ alone }: OptionDeclaration, raw: unknown): unknown {
  if (alone === undefined || typeof raw !== 'string') return raw
  return /^(true|yes|on)$/i.test(raw) ? alone : /^(false|no|off)$/i.test(raw) ? undefined : raw
}

function convert(declaration: OptionDeclaration, raw: unknown): OptionValue {
  const shown = declaration.secret === true ? 'The value' : `"${String(raw)}"`
  switch (declaration.type) {
    case 'list':
      if (Array.isArray(raw) && raw.every((item) => typeof item === 'string')) return [...raw]
      if (typeof raw === 'string') return raw.split(/\r?\n/).filter((line) => line !== '')
      break
    case 'boolean':
      if (typeof raw === 'boolean') return raw
      if (typeof raw === 'string') {
        if (/^(true|yes|on|1)$/i.test(raw)) return true
        if (/^(false|no|off|0|none|)$/i.test(raw)) return false
      }
      break
    case 'bytes':
    case 'duration':
    case 'integer':
    case 'number': {
      const parse = { bytes: bytesOf, duration: durationOf, integer: Number, number: Number }[
        declaration.type
      ]
      const value =
        typeof raw === 'number' ? raw : typeof raw !== 'string' || raw.trim() === '' ? Number.NaN : parse(raw)
      if (!Number.isFinite(value) || (declaration.type !== 'number' && !Number.isSafeInteger(value))) break
      const { min, max } = declaration
      if ((min !== undefined && value < min) || (max !== undefined && value > max)) {
        const spelled = declaration.type === 'duration' ? spellDuration : String
        const bounds = [
          min === undefined ? '' : `at least ${spelled(min)}`,
          max === undefined ? '' : `at most ${spelled(max)}`,
        ]
        throw new Failure('usage', `${shown} is out of range: ${bounds.filter((b) => b !== '').join(', ')}.`)
      }
      return value
    }
    case 'string':
    case 'path':
      if (typeof raw !== 'string') break
      if (declaration.choices !== undefined && !declaration.choices.includes(raw)) {
        throw new Failure('usage', `${shown} is none of ${declaration.choices.join(', ')}.`)
      }
      return raw
  }
  const wanted = {
    list: 'a list',
    boolean: 'true or false',
    integer: 'a whole number',
    bytes: 'a size; write a number, or one like 10K, 120M, 2G',
    duration: durationWanted,
  } as Record<string, string>
  throw new Failure('usage', `${shown} is not ${wanted[declaration.type] ?? `a ${declaration.type}`}.`)
}

/**
 * Values checked and converted by their declarations, defaults filled in, frozen.
 * Accepts the text of a flag, an ini file or the environment as well as typed values.
 *
 * @param origin says where a value came from, for the message: `--max-level`, `max_level in /etc/freezer.ini`
 * @throws Failure `usage` for an unknown name, a value of the wrong form, or a required one that is missing
 */
export function checkOptions<const D extends OptionDeclarations>(
  declarations: D,
  values: Readonly<Record<string, unknown>>,
  origin: (name: string) => string = (name) => `--${spell(name, '-')}`,
): Options<D> {
  const checked: Record<string, OptionValue> = {}
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(declarations, name)) throw new Failure('usage', `There is no option ${origin(name)}.`)
  }
  for (const [name, declaration] of Object.entries(declarations)) {
    const raw = spelledOut(declaration, values[name])
    // An empty text for something required is a variable that was not set, not the current directory.
    if (raw === undefined || (raw === '' && declaration.required === true)) {
      if (declaration.required === true) throw new Failure('usage', `${origin(name)} is required.`)
      checked[name] =
        declaration.default ?? { list: [], boolean: false }[declaration.type as 'list' | 'boolean']
      continue
    }
    try {
      checked[name] = convert(declaration, raw)
    } catch (error) {
      throw new Failure('usage', `${origin(name)}: ${(error as Error).message}`)
    }
  }
  return Object.freeze(checked) as Options<D>
}
