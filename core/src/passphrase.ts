import { Failure } from '@freezer/sdk'
import { readBeginning } from './secret-files.ts'

/** A longer first line is taken for a file that was never meant to be a passphrase. */
const longest = 4096
const newline = 0x0a
const carriageReturn = 0x0d

/**
 * The passphrase that `file` holds: the bytes of its first line, without the line's end.
 *
 * @throws Failure `key` for a file that is missing, unreadable or whose first line is empty
 */
export function readPassphrase(file: string): Uint8Array {
  const bytes = readBeginning(file, 'passphrase file', longest + 2)
  const lineEnd = bytes.indexOf(newline)
  let end = lineEnd === -1 ? bytes.length : lineEnd
  if (lineEnd > 0 && bytes[lineEnd - 1] === carriageReturn) end--
  if (end > longest) {
    throw new Failure('key', `The first line of the passphrase file ${file} is longer than ${longest} bytes.`)
  }
  if (end === 0) {
    throw new Failure('key', `The passphrase file ${file} has no passphrase in its first line.`, {
      remedy: 'Write the passphrase into the first line of that file.',
    })
  }
  const passphrase = bytes.slice(0, end)
  bytes.fill(0)
  return passphrase
}
