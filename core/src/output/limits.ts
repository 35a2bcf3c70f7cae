import { spell } from '@freezer/sdk'
import type { ControlAnswer } from '../control.ts'
import { localTime } from '../dates.ts'
import type { Outcome } from './reporter.ts'
import { size, table } from './text.ts'

export function limitsOutcome(runs: readonly ControlAnswer[]): Outcome {
  const columns = [
    { title: 'PID', align: 'right' },
    { title: 'COMMAND' },
    { title: 'STARTED' },
    { title: 'LIMITS' },
  ] as const
  const rows = runs.map(({ pid, command, started, limits }) => [
    String(pid),
    command,
    localTime(new Date(started).toISOString()),
    Object.entries(limits)
      .map(([name, rate]) => `${spell(name, '-')} ${rate === null ? 'none' : `${size(rate)}/s`}`)
      .join(', '),
  ])
  return {
    json: { runs },
    lines: runs.length === 0 ? ['Nothing of yours is running.'] : table(columns, rows),
  }
}
