/** What a tree holds, as lines that two equal trees have in common: enough to see that a restore is whole. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'

export function describeTree(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return ['', ...names].map((name) => {
    const file = path.join(root, name)
    const stat = lstatSync(file, { bigint: true })
    const content = stat.isFile()
      ? createHash('sha256').update(readFileSync(file)).digest('hex')
      : stat.isSymbolicLink()
        ? readlinkSync(file)
        : ''
    return [name || '.', stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs, content].join(' ')
  })
}
