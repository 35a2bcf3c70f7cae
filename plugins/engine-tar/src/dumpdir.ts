/** The list of what a directory holds, as GNU tar keeps it for its increments (manual, "Dumpdir"). */
import type { Dumpdir } from './member.ts'

/**
 * What becomes of a name; the dumpdir knows only `N` (not in this archive), `Y` (in it) and `D`. `file` and `fresh` say
 * more of what will be written: a regular file, and one that nobody has looked at yet.
 */
export const letters = { out: 0, kept: 0x4e, written: 0x59, file: 1, fresh: 2, directory: 0x44 } as const

/**
 * @param others names that are no directories, sorted, each with its letter in `fates`
 * @param directories names of subdirectories, sorted
 */
export function dumpdir(
  others: readonly string[],
  fates: Uint8Array,
  directories: readonly string[],
): Dumpdir {
  let length = 1
  for (let i = 0; i < others.length; i++) {
    if (fates[i] !== letters.out) length += (others[i] as string).length + 2
  }
  for (const name of directories) length += name.length + 2
  return {
    length,
    fill(into) {
      let at = 0
      const put = (letter: number, name: string) => {
        into[at++] = letter
        for (let i = 0; i < name.length; i++) into[at++] = name.charCodeAt(i)
        into[at++] = 0
      }
      let d = 0
      for (let i = 0; i < others.length; i++) {
        const name = others[i] as string
        const fate = fates[i] as number
        if (fate === letters.out) continue
        for (; d < directories.length && (directories[d] as string) < name; d++) {
          put(letters.directory, directories[d] as string)
        }
        put(fate === letters.kept ? letters.kept : letters.written, name)
      }
      for (; d < directories.length; d++) put(letters.directory, directories[d] as string)
      into[at] = 0
    },
  }
}
