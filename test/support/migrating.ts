/** The commands of docs/migrating.md. */
import fs from 'node:fs'
import path from 'node:path'
import { splitCommand } from '@freezer/sdk'
import { checkout, type Ended, programFile, run } from './program.ts'

const agentFile = path.join(checkout, 'core', 'bin', 'freezer-agent.js')

export interface Block {
  /** `runs`, `refused`, `instead`. */
  readonly verdict: string
  /** `local`, `ssh`, …; '' where the verdict says all. */
  readonly storage: string
  readonly commands: readonly string[]
}

const text = fs.readFileSync(path.join(checkout, 'docs', 'migrating.md'), 'utf8')

/** Blocks of commands, in their order. */
export const blocks: readonly Block[] = [...text.matchAll(/^```sh (\w+) ?(\w*)\n([^]*?)^```$/gm)].map(
  ([, verdict = '', storage = '', lines = '']) => ({
    verdict,
    storage,
    commands: lines.split('\n').filter((line) => line !== ''),
  }),
)

/** The ini files, by their names. */
export const inis: ReadonlyMap<string, string> = new Map(
  [...text.matchAll(/^```ini (\S+)\n([^]*?)^```$/gm)].map(([, name = '', content = '']) => [name, content]),
)

/** What of a command is replaced, longest first. */
export type Places = Readonly<Record<string, string>>

export function placed(command: string, places: Places): string {
  const names = Object.keys(places).sort((a, b) => b.length - a.length)
  const any = new RegExp(names.map((name) => name.replaceAll(/[.~/]/g, String.raw`\$&`)).join('|'), 'g')
  return command.replaceAll(any, (name) => places[name] ?? name)
}

/** Runs `freezer-agent …` or `freezer …`. */
export function runCommand(command: string, places: Places): Promise<Ended> {
  const [program, ...words] = splitCommand(placed(command, places))
  const file = { 'freezer-agent': agentFile, freezer: programFile }[program ?? '']
  if (file === undefined) throw new Error(`No program of ours: ${command}`)
  return run(process.execPath, [file, ...words])
}
