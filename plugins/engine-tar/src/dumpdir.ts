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
    *pieces() {
      let at = 0
      for (const [letter, name] of lines(others, fates, directories)) {
        // One byte stays free for the NUL that ends the list.
        if (at + name.length + 2 >= piece.length) {
          yield piece.subarray(0, at)
          at = 0
        }
        piece[at++] = letter
        for (let i = 0; i < name.length; i++) piece[at++] = name.charCodeAt(i)
        piece[at++] = 0
      }
      piece[at++] = 0
      yield piece.subarray(0, at)
    },
  }
}

const piece = new Uint8Array((1 << 16) + 1)

function* lines(
  others: readonly string[],
  fates: Uint8Array,
  directories: readonly string[],
): Iterable<[letter: number, name: string]> {
  let d = 0
  for (let i = 0; i < others.length; i++) {
    const name = others[i] as string
    const fate = fates[i] as number
    if (fate === letters.out) continue
    for (; d < directories.length && (directories[d] as string) < name; d++) {
      yield [letters.directory, directories[d] as string]
    }
    yield [fate === letters.kept ? letters.kept : letters.written, name]
  }
  for (; d < directories.length; d++) yield [letters.directory, directories[d] as string]
}
