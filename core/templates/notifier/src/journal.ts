import { appendFile } from 'node:fs/promises'
import { fromSystem, type RunReport, throwIfAborted } from '@freezer/sdk'

export async function append(file: string, report: RunReport, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  const { ended, command, outcome, exitStatus, name = '' } = report
  await appendFile(file, `${[ended, command, name, outcome, exitStatus].join('\t')}\n`).catch((error) => {
    throw fromSystem(error, `write to ${file}`)
  })
}
