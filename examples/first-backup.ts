/**
 * `npm start`: the first backup, as a user types it. Backs up the documentation of this checkout, shows the
 * container, restores it elsewhere, and proves that both trees are equal.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeTree } from './tree.ts'

const checkout = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const scratch = mkdtempSync(path.join(tmpdir(), 'freezer-first-backup-'))

function freezer(...words: string[]): void {
  console.log(`\n$ freezer ${words.join(' ')}`)
  const program = path.join(checkout, 'core', 'bin', 'freezer.js')
  const { status } = spawnSync(process.execPath, [program, ...words], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`freezer ended with status ${status}.`)
}

try {
  const source = path.join(checkout, 'docs')
  const restored = path.join(scratch, 'restored')
  const passphrase = path.join(scratch, 'passphrase')
  writeFileSync(passphrase, 'only an example\n', { mode: 0o600 })
  const container = ['--container', path.join(scratch, 'container'), '--encrypt-pass-file', passphrase]

  freezer('backup', source, ...container, '--backup-name', 'docs')
  freezer('backup', source, ...container, '--backup-name', 'docs')
  freezer('list', ...container)
  freezer('restore', restored, ...container, '--backup-name', 'docs')

  const expected = describeTree(source)
  const found = describeTree(restored)
  const differing = expected.filter((line, i) => line !== found[i])
  if (expected.length !== found.length || differing.length > 0) {
    throw new Error(`The trees differ:\n${differing.join('\n')}`)
  }
  console.log(`\n${expected.length} files and directories restored; both trees are equal.`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
