/** Paths taken apart, and why an entry is not restored. */
import { codeOf } from './errno.ts'

/** Why an entry is not restored, where it is no error of the system. */
export class Obstacle extends Error {}

export const inTheWay = 'something of that name is there already'

const reasons: Record<string, string> = {
  EEXIST: 'something else of that name was made meanwhile',
  ENOTEMPTY: 'a directory that is not empty is in the way',
  EPERM: 'the system allows it to root alone',
  EACCES: 'permission denied',
}

export function reason(error: unknown): string {
  return reasons[codeOf(error)] ?? (error as Error).message
}

export const join = (directory: string, name: string) => (directory === '' ? name : `${directory}/${name}`)
export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
export const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
