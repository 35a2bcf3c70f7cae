/** The way a backup is named on the command line. */
import { type BackupReference, Failure } from '@freezer/sdk'
import { parseDate } from './dates.ts'

const idPattern = /^[0-9a-f]{1,32}$/i
const datePattern = /^\s*\d{4}-/

/**
 * `latest`, an id or the beginning of one, or a date, which means the newest backup up to it.
 * @throws Failure `usage`
 */
export function parseReference(text: string): BackupReference {
  if (text === 'latest') return 'latest'
  if (idPattern.test(text)) return { id: text.toLowerCase() }
  if (datePattern.test(text)) return { before: parseDate(text) }
  throw new Failure('usage', `"${text}" names no backup.`, {
    remedy:
      'BACKUP is an id or the beginning of one, as "freezer list" shows it, or latest, ' +
      'or a date like 2026-07-01 or 2026-07-01T10:30:00.',
  })
}
