/** What is mounted where: `/proc/self/mountinfo`, see proc_pid_mountinfo(5). */
import { readFile } from 'node:fs/promises'

export interface Mount {
  readonly point: string
  /** The same for all mounts of one file system. */
  readonly device: string
  readonly type: string
  readonly writable: boolean
}

/** Every mount that this process sees, in the order in which they were made. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
}

export function parseMounts(text: string): readonly Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [own = '', rest = ''] = line.split(/ - (.*)/s)
      const [, , device = '', , point = '', options = ''] = own.split(' ')
      const [type = '', , superOptions = ''] = rest.split(' ')
      const isWritable = (list: string): boolean => !list.split(',').includes('ro')
      return {
        point: plain(point),
        device,
        type,
        writable: isWritable(options) && isWritable(superOptions),
      }
    })
}

/** Blanks, tabs, newlines and backslashes stand there as octal numbers of three digits. */
function plain(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** The mount that `path`, which is absolute and has no symbolic links, is on: the last of those that are nearest. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    if (isWithin(path, mount.point) && mount.point.length >= (found?.point.length ?? 0)) found = mount
  }
  return found
}

/** Whether `path` is `directory` or below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
}
