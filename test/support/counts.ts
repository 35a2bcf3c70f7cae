/** Counts of the long proofs, kept for `docs/reliability.md`. */
import fs from 'node:fs'
import path from 'node:path'
import { checkout } from './program.ts'

export const countsFile = path.join(checkout, 'test', 'long', 'counts.json')

export type LongCounts = Record<
  string,
  { readonly date: string; readonly counts: Record<string, number | string> }
>

/** The counts of the last run of each proof. */
export function readCounts(): LongCounts {
  return fs.existsSync(countsFile) ? (JSON.parse(fs.readFileSync(countsFile, 'utf8')) as LongCounts) : {}
}

/** Keeps the counts of a proof that held. */
export function recordCounts(proof: string, counts: Record<string, number | string>): void {
  const all = { ...readCounts(), [proof]: { date: new Date().toISOString().slice(0, 10), counts } }
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))
  fs.writeFileSync(countsFile, `${JSON.stringify(sorted, undefined, 2)}\n`)
}
