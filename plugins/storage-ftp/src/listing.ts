/** Directories as servers list them. */
import { Failure } from '@freezer/sdk'
import { type FileInfo, FileType, parseList } from 'basic-ftp'

export interface Entry {
  readonly name: string
  readonly kind: 'file' | 'directory' | 'other'
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970; undefined where the server does not say it in a form without a doubt. */
  readonly modified: number | undefined
}

/**
 * The entries of a listing for programs (RFC 3659, 7), without the directory itself and its parent.
 * @throws Failure `unavailable` for a line that cannot be understood: it may be a blob
 */
export function parseMachineListing(text: string): Entry[] {
  return linesOf(text).flatMap((line) => {
    const space = line.indexOf(' ')
    const facts = new Map(
      line
        .slice(0, Math.max(0, space))
        .split(';')
        .filter((fact) => fact !== '')
        .map((fact) => {
          const at = fact.indexOf('=')
          return [fact.slice(0, at).toLowerCase(), fact.slice(at + 1)] as const
        }),
    )
    const type = facts.get('type')?.toLowerCase()
    const name = line.slice(space + 1)
    if (space < 0 || type === undefined || name === '') throw incomprehensible()
    if (type === 'cdir' || type === 'pdir' || name === '.' || name === '..') return []
    const kind = type === 'file' ? 'file' : type === 'dir' ? 'directory' : 'other'
    const size = Number(facts.get('size') ?? (kind === 'file' ? Number.NaN : 0))
    if (!Number.isSafeInteger(size) || size < 0) throw incomprehensible()
    return [{ name, kind, size, modified: timeOf(facts.get('modify')) }]
  })
}

/** `20261124224613.5` → milliseconds since 1970, RFC 3659, 2.3. */
export function timeOf(text: string | undefined): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text ?? '')
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/**
 * The entries of a listing for people, in the form of Unix or of DOS.
 * @throws Failure `unavailable` for a line that cannot be understood, and for a listing that is none: some servers give
 * an empty one for a directory that they cannot read
 */
export function parsePlainListing(text: string): Entry[] {
  const lines = linesOf(text).filter((line) => !/^total\s+\d+$/i.test(line))
  const isUnix = lines.some((line) => /^[-dlbcps][-rwxsStTlL]{9}/.test(line))
  if (lines.length === 0 || (isUnix && !lines.some((line) => line.endsWith(' .')))) throw unreadable()
  return lines.flatMap((line) => {
    if (/ \.\.?$/.test(line)) return []
    const entry = parsePlainLine(line)
    const { name, size, type } = entry
    const kind = type === FileType.File ? 'file' : type === FileType.Directory ? 'directory' : 'other'
    return [{ name, kind, size, modified: undefined }]
  })
}

function parsePlainLine(line: string): FileInfo {
  let entry: FileInfo | undefined
  try {
    entry = parseList(line)[0]
  } catch (error) {
    throw incomprehensible(error)
  }
  if (entry === undefined) throw incomprehensible()
  return entry
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '')
}

function incomprehensible(cause?: unknown): Failure {
  return new Failure('unavailable', 'The server lists a directory in a form that is not understood.', {
    remedy: 'Let it offer MLSD (RFC 3659), or use another FTP server.',
    cause,
  })
}

function unreadable(): Failure {
  return new Failure('unavailable', 'The server lists not even the directory itself in a directory.', {
    remedy: 'Check that the account may read the directory; let the server offer MLSD (RFC 3659).',
  })
}
