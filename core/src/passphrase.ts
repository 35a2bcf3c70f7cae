import { closeSync, openSync, readSync } from 'node:fs'
import { Failure } from '@freezer/sdk'

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
  const buffer = Buffer.alloc(longest + 2)
  let length = 0
  try {
    const handle = openSync(file, 'r')
    try {
      for (let count = -1; count !== 0 && length < buffer.length; length += count) {
        count = readSync(handle, buffer, length, buffer.length - length, null)
      }
    } finally {
      closeSync(handle)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('key', `The passphrase file ${file} cannot be read: ${code}.`, {
      remedy: 'Name a readable file whose first line is the passphrase.',
      cause: error,
    })
  }
  const lineEnd = buffer.subarray(0, length).indexOf(newline)
  let end = lineEnd === -1 ? length : lineEnd
  if (lineEnd > 0 && buffer[lineEnd - 1] === carriageReturn) end--
  if (end > longest) {
    throw new Failure('key', `The first line of the passphrase file ${file} is longer than ${longest} bytes.`)
  }
  if (end === 0) {
    throw new Failure('key', `The passphrase file ${file} has no passphrase in its first line.`, {
      remedy: 'Write the passphrase into the first line of that file.',
    })
  }
  const passphrase = Uint8Array.from(buffer.subarray(0, end))
  buffer.fill(0)
  return passphrase
}
