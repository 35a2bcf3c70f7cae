/** What the agent does to its own process, and to the machine, before it works. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { fromSystem } from '@freezer/sdk'

/**
 * The highest priority for the processor, and the real-time class for disks. Each thread has its own; those that begin later
 * have that of the thread that begins them.
 *
 * @param warn called with what could not be done
 */
export async function takePriority(warn: (message: string) => void): Promise<void> {
  const threads = readdirSync('/proc/self/task')
  try {
    for (const thread of threads) setPriority(Number(thread), constants.priority.PRIORITY_HIGHEST)
  } catch (error) {
    warn(`--max-priority: ${fromSystem(error, 'raise the priority of this process').message}`)
  }
  const why = await runQuietly('ionice', ['-c', '1', '-n', '0', '-p', ...threads])
  if (why !== undefined) warn(`--max-priority: the class for disks stays as it is: ${why}`)
}

/** Writes out what the system keeps in memory. */
export async function syncDisks(warn: (message: string) => void): Promise<void> {
  const why = await runQuietly('sync', [])
  if (why !== undefined) warn(`--sync: ${why}`)
}

/** Why a program failed; undefined when it did not. */
function runQuietly(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, 200)
    })
    child.on('error', (error) => resolve(fromSystem(error, `run ${program}`).message))
    child.on('close', (status) =>
      resolve(status === 0 ? undefined : said.trim() || `${program} ended with ${status}.`),
    )
  })
}
