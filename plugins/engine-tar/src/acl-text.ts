/**
 * POSIX access control lists: from the bytes that Linux keeps them as (<linux/posix_acl_xattr.h>) to the short text
 * form of acl(5), which GNU tar and star put into `SCHILY.acl.*`.
 */

const owners: Record<number, string> = {
  1: 'user:',
  2: 'user:',
  4: 'group:',
  8: 'group:',
  16: 'mask:',
  32: 'other:',
}
const named = new Set([2, 8])

/** `user::rw-,user:1000:r--,…`; undefined for bytes that are no access control list of version 2. */
export function aclText(value: Uint8Array): string | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (value.length < 4 || value.length % 8 !== 4 || view.getUint32(0, true) !== 2) return undefined
  const entries: string[] = []
  for (let at = 4; at < value.length; at += 8) {
    const tag = view.getUint16(at, true)
    const permissions = view.getUint16(at + 2, true)
    const owner = owners[tag]
    if (owner === undefined) return undefined
    const id = named.has(tag) ? view.getUint32(at + 4, true) : ''
    const letters = ['r', 'w', 'x'].map((letter, i) => (permissions & (4 >> i) ? letter : '-')).join('')
    entries.push(`${owner}${id}:${letters}`)
  }
  return entries.join(',')
}
