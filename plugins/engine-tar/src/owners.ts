/** Names of users and groups, read once from the system's files when first asked for. */
import { readFileSync } from 'node:fs'

function table(path: string): Map<number, string> {
  const names = new Map<number, string>()
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch {
    // Without the file there are only numbers, which every archive holds too.
    return names
  }
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':')
    // The header has room for 31 bytes; a name that is cut would be another's.
    if (name === undefined || id === undefined || !/^\d+$/.test(id) || name.length > 31) continue
    if (!names.has(Number(id))) names.set(Number(id), name)
  }
  return names
}

let users: Map<number, string> | undefined
let groups: Map<number, string> | undefined

/** Name of the user, '' when there is none. */
export function userName(uid: number): string {
  users ??= table('/etc/passwd')
  return users.get(uid) ?? ''
}

/** Name of the group, '' when there is none. */
export function groupName(gid: number): string {
  groups ??= table('/etc/group')
  return groups.get(gid) ?? ''
}
