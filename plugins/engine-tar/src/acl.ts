/**
 * POSIX ACLs as GNU tar writes them in pax records, `user::rw-,user:1000:r--,…` (acl_to_text(3)), to the value of the
 * attribute in which Linux keeps them (<linux/posix_acl_xattr.h>).
 */
import { readFileSync } from 'node:fs'

const undefinedId = 0xffffffff

interface AclEntry {
  readonly tag: number
  readonly permissions: number
  readonly id: number
}

const tags: Record<string, { own: number; named: number; file: string }> = {
  user: { own: 0x01, named: 0x02, file: '/etc/passwd' },
  group: { own: 0x04, named: 0x08, file: '/etc/group' },
  mask: { own: 0x10, named: 0, file: '' },
  other: { own: 0x20, named: 0, file: '' },
}

/** The value of the attribute; undefined for a text that is no ACL, or names whom this machine does not know. */
export function parseAcl(text: string): Uint8Array | undefined {
  const entries: AclEntry[] = []
  for (const line of text.split(/[,\n]/)) {
    const entry = line.replace(/#.*/, '').trim()
    if (entry === '') continue
    const parsed = parseEntry(entry)
    if (parsed === undefined) return undefined
    entries.push(parsed)
  }
  if (entries.length === 0) return undefined
  // The kernel wants them in this order.
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id)
  const value = Buffer.alloc(4 + entries.length * 8)
  value.writeUInt32LE(2, 0)
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + i * 8)
    value.writeUInt16LE(permissions, 6 + i * 8)
    value.writeUInt32LE(id, 8 + i * 8)
  }
  return value
}

/** `user:NAME:rwx`, and star's `user:NAME:rwx:ID`. */
function parseEntry(entry: string): AclEntry | undefined {
  const match = /^([a-z]+):([^:]*):([r-])([w-])([x-])(?::(\d+))?$/.exec(entry)
  const kind = tags[match?.[1] ?? '']
  if (match === null || kind === undefined) return undefined
  const [, , who = '', r, w, x, id] = match
  const permissions = (r === 'r' ? 4 : 0) + (w === 'w' ? 2 : 0) + (x === 'x' ? 1 : 0)
  if (who === '') return { tag: kind.own, permissions, id: undefinedId }
  const number = Number(id ?? (/^\d+$/.test(who) ? who : idOf(kind.file, who)))
  if (kind.named === 0 || !Number.isInteger(number) || number >= undefinedId) return undefined
  return { tag: kind.named, permissions, id: number }
}

const known = new Map<string, Map<string, string>>()

/** Number of a user or group by name, from this machine's files. */
function idOf(file: string, name: string): string | undefined {
  let ids = known.get(file)
  if (ids === undefined) {
    const lines = file === '' ? [] : readFileSync(file, 'latin1').split('\n')
    ids = new Map(lines.map((line) => line.split(':')).map(([key = '', , id = '']) => [key, id]))
    known.set(file, ids)
  }
  return ids.get(name)
}
