// Writes docs/reliability.md: each promise, the test behind it, and the counts of its last long proof.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { readCounts } from '../test/support/counts.ts'
import { checkout } from '../test/support/program.ts'

interface Promised {
  readonly promise: string
  readonly tests: readonly string[]
  /** Names of long proofs. */
  readonly proofs?: readonly string[]
}

const promises: readonly Promised[] = [
  {
    promise: 'A restore brings back every byte and every piece of metadata, of every level, at every date',
    tests: ['test/round-trip.test.ts', 'plugins/engine-tar/test/contract.test.ts'],
    proofs: ['random histories'],
  },
  {
    promise: 'GNU tar lists and extracts every level of ours, and ours restores what GNU tar wrote',
    tests: [
      'test/standard-tools.test.ts',
      'plugins/engine-tar/test/backup.test.ts',
      'plugins/engine-tar/test/list.test.ts',
    ],
  },
  {
    promise:
      'Killed at any point, the earlier backups restore and the next run works, with nothing to unlock',
    tests: ['test/crash.test.ts (every storage call)', 'plugins/storage-local/test/local.test.ts'],
    proofs: ['killed at random instants'],
  },
  {
    promise:
      'Backups, restores and prunes beside each other: what is listed restores, nothing vanishes but by the rules, and nobody unlocks anything',
    tests: [
      'sdk/test/beside.test.ts (held and killed at the storage calls)',
      'test/prune.test.ts (killed at the storage calls)',
    ],
    proofs: ['soak'],
  },
  {
    promise:
      'A prune removes what the rules say and nothing else; a kept backup never loses a level that it builds on',
    tests: ['sdk/test/retention.test.ts', 'test/prune.test.ts'],
    proofs: ['retention'],
  },
  {
    promise:
      'Damage anywhere is refused or named; no wrong byte is restored; what is not affected is restored',
    tests: ['test/damage.test.ts', 'sdk/test/pipeline.test.ts'],
    proofs: ['damage, encrypted', 'damage, plain'],
  },
  {
    promise: 'A check names exactly the backups and files that a restore would fail on',
    tests: ['test/check.test.ts', 'sdk/test/check.test.ts'],
    proofs: ['check beside restores, encrypted', 'check beside restores, plain'],
  },
  {
    promise:
      'A copy restores to what its original restores to, under another key and with other codecs; killed, it leaves only garbage',
    tests: ['test/copy.test.ts'],
  },
  {
    promise: 'A forged archive or index changes nothing outside the target and removes nothing inside it',
    tests: ['plugins/engine-tar/test/hostile.test.ts', 'lib/filesystem/test/target.test.ts'],
  },
  {
    promise: 'Memory does not grow with the number or the size of files',
    tests: ['plugins/engine-tar/test/hostile.test.ts'],
    proofs: [
      'peak memory, 1,000,000 small files',
      'peak memory, 100,000 small files in one directory',
      'peak memory, one sparse file of 20 GiB',
    ],
  },
  {
    promise:
      'Looking inside shows what was there, and reads the parts of the index and the blocks that hold it',
    tests: [
      'test/look.test.ts (against the file system; by counting reads)',
      'sdk/test/diff-backups.test.ts',
    ],
  },
  {
    promise: 'A dump is the tree that was backed up, as other programs unpack it, and never a wrong byte',
    tests: ['test/dump.test.ts'],
  },
  {
    promise:
      'A passphrase, key file or recipient file reaches no output, manifest, argument list or environment',
    tests: ['test/secrets.test.ts', 'core/test/passphrase.test.ts'],
  },
  {
    promise: 'A name whose newest backup is too old, lacks files or is gone never has a status of 0',
    tests: ['sdk/test/status.test.ts', 'core/test/watch.test.ts'],
  },
  {
    promise:
      'A metrics file or a notifier changes no outcome, whatever it does, and a secret of it stands in no message',
    tests: [
      'core/test/watch.test.ts',
      'core/test/metrics.test.ts',
      'plugins/notifier-webhook/test/webhook.test.ts',
    ],
  },
  {
    promise:
      'Passphrases, key files and repository keys come and go, also when killed on the way, and no backup is lost by it',
    tests: ['sdk/test/key-changes.test.ts', 'test/keys.test.ts (also a container from before)'],
  },
  {
    promise: 'Nobody but its host can forge a backup for a recipient, and the host can read none',
    tests: ['sdk/test/recipient.test.ts', 'test/keys.test.ts'],
  },
  {
    promise:
      'A Swift that is busy, cut off, or says what is not so loses nothing: no wrong byte, no listing that only looks empty',
    tests: ['plugins/storage-swift/test/services/faults.test.ts (npm run test:services)'],
  },
  {
    promise:
      'Of several storages each restores by itself; one that is away, fails or is damaged harms no other, and a heal brings it up to date',
    tests: ['test/several.test.ts', 'sdk/test/mirrors.test.ts'],
  },
  {
    promise: 'What a program writes is backed up and brought back whole, or is no backup',
    tests: ['test/streams.test.ts', 'test/command.test.ts', 'sdk/test/streams.test.ts'],
  },
  {
    promise:
      'What a mode holds is let go once, on success, failure and abort, before the manifest; a snapshot is removed',
    tests: [
      'test/hold.test.ts',
      'sdk/test/hold.test.ts',
      'plugins/snapshot-btrfs/test/services/program.test.ts (npm run test:services)',
    ],
  },
  {
    promise: 'Calls of a storage that fail, lag or answer wrongly lose nothing and restore no wrong byte',
    tests: ['sdk/test/storage-faults.test.ts', 'plugins/storage-*/test/services (npm run test:services)'],
  },
  {
    promise: 'A container of the Python Freezer is read and never changed; its damage is named',
    tests: [
      'test/foreign.test.ts',
      'plugins/reader-freezer-python/test/services/live.test.ts (npm run test:services)',
    ],
  },
  {
    promise: 'A plugin made for older contracts runs with the newest program; a broken one disturbs no other',
    tests: ['test/skew.test.ts', 'core/test/admission.test.ts', 'test/plugins.test.ts'],
  },
  {
    promise:
      'A storage, codec, engine, mode, snapshot provider or notifier that breaks its contract is caught',
    tests: [
      'sdk/test/storage-contract.test.ts',
      'sdk/test/codec-contract.test.ts',
      'sdk/test/engine-contract.test.ts',
      'sdk/test/stream-engine-contract.test.ts',
      'sdk/test/mode-contract.test.ts',
      'sdk/test/snapshot-contract.test.ts',
      'sdk/test/notifier-contract.test.ts',
    ],
  },
]

const counts = readCounts()
const lines = [
  '# What is promised, and how it is shown',
  '',
  'Written by `node scripts/reliability.ts`, which `npm run test:long` runs at its end. The tests run with `npm test`; the long',
  'proofs with `npm run test:long`, and their last counts stand here.',
]
for (const { promise, tests, proofs = [] } of promises) {
  lines.push('', `## ${promise}`, '', `Tests: ${tests.map((test) => `\`${test}\``).join(', ')}`)
  for (const name of proofs) {
    const proof = counts[name]
    lines.push('', `Long proof: ${name}, ${proof === undefined ? 'not yet run' : proof.date}`)
    if (proof === undefined) continue
    lines.push('', '| What | Count |', '|---|---:|')
    for (const [what, count] of Object.entries(proof.counts))
      lines.push(`| ${what} | ${count.toLocaleString('en')} |`)
  }
}
lines.push(
  '',
  '## What is not shown',
  '',
  '- A power cut. That blobs are durable when `put` returns rests on the order of fsyncs, which a test checks, and on the disk.',
  '- Other machines than Linux on x86-64, and other file systems than ext4 and tmpfs.',
  '- An attacker who can write to the storage can remove backups or bring an older state back; nothing in a container tells.',
)
writeFileSync(path.join(checkout, 'docs', 'reliability.md'), `${lines.join('\n')}\n`)
