/** Files that hold a secret: read whole, and made so that only their owner can read them. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { Failure, fromSystem } from '@freezer/sdk'

/** Bytes of a key file at most. */
const longestKeyFile = 2 ** 20
/** Bytes of a recipient file at most. */
const longestRecipientFile = 4096
/** Bytes of the key files that are made here. */
const newKeyFileLength = 32

/**
 * The secret in a key file: all of its bytes.
 * @throws Failure `key` for a file that is missing, unreadable or too large
 */
export function readKeyFile(file: string): Uint8Array {
  return readSecret(file, 'key file', longestKeyFile)
}

/** What a host knows of its recipient. @throws Failure `key` for a file that is missing, unreadable or too large */
export function readRecipientFile(file: string): Uint8Array {
  return readSecret(file, 'recipient file', longestRecipientFile)
}

function readSecret(file: string, what: string, longest: number): Uint8Array {
  const bytes = readBeginning(file, what, longest + 1)
  if (bytes.length > longest) {
    throw new Failure('key', `The ${what} ${file} is longer than ${longest} bytes.`)
  }
  return bytes
}

/**
 * The first bytes of a file that holds a secret.
 * @param most bytes
 * @throws Failure `key` for a file that is missing or unreadable
 */
export function readBeginning(file: string, what: string, most: number): Uint8Array {
  const buffer = Buffer.alloc(most)
  let length = 0
  try {
    const handle = openSync(file, 'r')
    try {
      for (let count = -1; count !== 0 && length < most; length += count) {
        count = readSync(handle, buffer, length, most - length, null)
      }
    } finally {
      closeSync(handle)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('key', `The ${what} ${file} cannot be read: ${code}.`, {
      remedy: `Name a readable ${what}.`,
      cause: error,
    })
  }
  const bytes = Uint8Array.from(buffer.subarray(0, length))
  buffer.fill(0)
  return bytes
}

/** A file that was made for a secret. */
export interface NewSecretFile extends Disposable {
  /** Writes the secret, durably. */
  write(secret: Uint8Array): void
  /** Says that the file shall stay. */
  keep(): void
}

/**
 * Makes a file for a secret, with mode 0600; it is gone again unless it is kept.
 * @throws Failure `refused` when there is something under that name
 */
export function makeSecretFile(file: string): NewSecretFile {
  let handle: number
  try {
    handle = openSync(file, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fromSystem(error, `make ${file}`)
    throw new Failure('refused', `There is already a ${file}.`, {
      remedy: 'Name a file that is not there yet.',
    })
  }
  let kept = false
  return {
    write(secret) {
      try {
        for (let at = 0; at < secret.length; ) at += writeSync(handle, secret, at)
        fsyncSync(handle)
      } catch (error) {
        throw fromSystem(error, `write ${file}`)
      }
    },
    keep() {
      kept = true
    },
    [Symbol.dispose]() {
      closeSync(handle)
      if (!kept) rmSync(file, { force: true })
    },
  }
}

export function newKeyFile(): Uint8Array {
  return randomBytes(newKeyFileLength)
}
