/** The file of `--metrics-file`. */
import { randomBytes } from 'node:crypto'
import { lstat, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { RunReport } from '@freezer/sdk'
import { Failure, fromSystem } from '@freezer/sdk'
import { parseMetrics, recordRun, renderMetrics } from './output/metrics.ts'

/** Bytes; thousands of backup names take less. */
const largest = 64 * 2 ** 20

/**
 * Brings the figures of a run into `file`, which a reader finds whole at every moment. Figures of other runs stay. Runs
 * that share a file and end at the same instant can lose the figures of one until it runs again.
 *
 * @throws Failure `refused` for a file that is not of this kind, `denied`, `no-space`, `not-found`
 */
export async function updateMetricsFile(file: string, report: RunReport): Promise<void> {
  try {
    const metrics = parseMetrics(await readExisting(file))
    recordRun(metrics, report)
    await replace(file, renderMetrics(metrics))
  } catch (error) {
    throw fromSystem(error, `write it`)
  }
}

async function readExisting(file: string): Promise<string> {
  const stat = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (stat === undefined) return ''
  if (!stat.isFile() || stat.size > largest) {
    throw new Failure('refused', 'It exists and is no file of figures.', {
      remedy: 'Name a file that is only for them.',
    })
  }
  return readFile(file, 'utf8')
}

/** A temporary file beside it, then a rename. Its name does not end as those do that a collector reads. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await using handle = await open(temporary, 'wx')
    await handle.writeFile(text)
    // The collector is another user, whatever the umask of a backup is.
    await handle.chmod(0o644)
    await handle.sync()
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
