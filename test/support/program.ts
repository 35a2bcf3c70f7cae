/** The program `freezer`, run as a user runs it. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const checkout = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
export const programFile = path.join(checkout, 'core', 'bin', 'freezer.js')

export interface Ended {
  /** Exit status; 128 and more for a signal is left undefined. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs `freezer` with these arguments. Standard output and error are kept. */
export function freezer(...words: readonly string[]): Promise<Ended> {
  return run(process.execPath, [programFile, ...words])
}

/** Runs a program to its end, whatever that is. */
export function run(program: string, words: readonly string[], cwd = checkout): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? undefined, stdout, stderr }))
  })
}

/** What a successful run with `--json` printed. @throws when it failed */
export async function json(...words: readonly string[]): Promise<Record<string, unknown>> {
  const ended = await freezer(...words, '--json', '--no-progress')
  if (ended.status !== 0)
    throw new Error(`freezer ${words[0]} ended with ${ended.status}: ${ended.stdout}${ended.stderr}`)
  return JSON.parse(ended.stdout) as Record<string, unknown>
}

/** A directory for one test file, and the way to be rid of it. */
export function scratchDirectory(name: string): { readonly path: string; readonly remove: () => void } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), `freezer-${name}-`))
  return { path: directory, remove: () => fs.rmSync(directory, { recursive: true, force: true }) }
}

/** Every file below a directory, as paths relative to it. */
export function filesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort()
}
