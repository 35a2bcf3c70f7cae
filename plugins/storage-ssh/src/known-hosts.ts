/**
 * The file in which OpenSSH writes down whom it knows, as sshd(8) describes it under "SSH_KNOWN_HOSTS FILE FORMAT".
 * Certificates are not understood: a line `@cert-authority` vouches for nothing here, and keeps a host from being
 * taken for a new one.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** The line of a file that names a host. */
interface Line {
  readonly marker: string | undefined
  readonly hosts: string
  /** Base64. */
  readonly key: string
  readonly type: string
  /** For messages: file and line. */
  readonly origin: string
}

/** What is known of one host. */
export interface KnownHost {
  /** Types of its known keys, in the order of the file. */
  readonly types: readonly string[]
  judge(key: Uint8Array): Verdict
}

export type Verdict =
  | { readonly trust: 'known' | 'new' | 'certified' }
  /** `origin` says where the line stands. */
  | { readonly trust: 'changed' | 'revoked'; readonly origin: string }

/** The name by which a file knows a host: `host`, or `[host]:port` for another port than 22. */
export function nameOf(host: string, port: number): string {
  const name = host.toLowerCase()
  return port === 22 ? name : `[${name}]:${port}`
}

/**
 * What `files` say of the host `name`.
 * @param files the text of each with its path
 */
export function knownHost(files: readonly { path: string; text: string }[], name: string): KnownHost {
  const lines = files
    .flatMap(({ path, text }) =>
      text.split('\n').map((line, at) => parseLine(line, `line ${at + 1} of ${path}`)),
    )
    .filter((line) => line !== undefined)
  const own = lines.filter(({ hosts }) => matches(hosts, name))
  const plain = own.filter(({ marker }) => marker === undefined)
  return {
    types: [...new Set(plain.map(({ type }) => type))],
    judge(key) {
      const text = Buffer.from(key).toString('base64')
      const revoked = own.find((line) => line.marker === '@revoked' && line.key === text)
      if (revoked !== undefined) return { trust: 'revoked', origin: revoked.origin }
      if (plain.some((line) => line.key === text)) return { trust: 'known' }
      const type = typeOf(key)
      const other = plain.find((line) => line.type === type) ?? plain[0]
      if (other !== undefined) return { trust: 'changed', origin: other.origin }
      return { trust: own.some(({ marker }) => marker === '@cert-authority') ? 'certified' : 'new' }
    },
  }
}

/** The line that makes `key` known for the host `name`. */
export function knownLine(name: string, key: Uint8Array): string {
  return `${name} ${typeOf(key)} ${Buffer.from(key).toString('base64')}\n`
}

/** As OpenSSH shows a key: `SHA256:…`. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The type that stands at the beginning of a public key, as RFC 4253 section 6.6 lays it out. */
export function typeOf(key: Uint8Array): string {
  const bytes = Buffer.from(key)
  const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0)
  return bytes.toString('latin1', 4, 4 + Math.min(length, 64))
}

/** Undefined for a comment, and for what cannot be understood. */
function parseLine(text: string, origin: string): Line | undefined {
  const match = /^\s*(?:(@\S+)\s+)?([^#@\s]\S*)\s+([\w@.-]+)\s+([A-Za-z0-9+/]+={0,2})(?:\s|$)/.exec(text)
  const [, marker, hosts, type, key] = match ?? []
  if (hosts === undefined || type === undefined || key === undefined) return undefined
  return { marker, hosts, type, key: Buffer.from(key, 'base64').toString('base64'), origin }
}

/** Whether the first word of a line means the host `name`; a pattern with `!` before it rules the line out. */
function matches(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return matchesHash(hosts, name)
  const patterns = hosts.toLowerCase().split(',')
  const fits = (pattern: string): boolean => asExpression(pattern).test(name)
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern))
}

function asExpression(pattern: string): RegExp {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`)
}

/** `|1|SALT|HASH`: HMAC-SHA1 of the name, keyed with the salt. */
function matchesHash(hosts: string, name: string): boolean {
  const [, version, salt = '', hash = ''] = hosts.split('|')
  if (version !== '1') return false
  const expected = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  const found = Buffer.from(hash, 'base64')
  return found.length === expected.length && timingSafeEqual(found, expected)
}
