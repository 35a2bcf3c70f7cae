import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure, type Warning } from '@freezer/sdk'
import { describeTree, differences, removeTree } from '../../../test/support/tree.ts'
import { type HostileCase, hostileCases } from './crafted.ts'
import { extractEntries, listArchive, restoreEntries } from './restoring.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freezer-hostile-'))
after(() => removeTree(scratch))

/** Restores the case into `target`; returns the code of the failure, or what it warned of. */
async function attempt(hostile: HostileCase, target: string): Promise<string | Warning[]> {
  const warnings: Warning[] = []
  const { archive, overwrite = false, remove = false, promised = 2 ** 50 } = hostile
  try {
    const entries = hostile.entries ?? (await listArchive([archive], undefined, warnings))
    const more = { promised, warn: (warning: Warning) => void warnings.push(warning) }
    await restoreEntries(target, entries, [archive], { overwrite: overwrite && 'always', remove }, more)
    return warnings
  } catch (error) {
    assert.ok(isFailure(error), `not a failure: ${(error as Error).stack}`)
    assert.ok(error.message.length < 1000)
    return error.code
  }
}

test(`crafted archives change nothing outside the target: ${hostileCases.length} cases`, async (t) => {
  assert.ok(hostileCases.length >= 40)
  for (const [number, hostile] of hostileCases.entries()) {
    await t.test(hostile.title, async () => {
      const place = join(scratch, String(number))
      const outside = join(place, 'outside')
      const target = join(place, 'target')
      mkdirSync(join(outside, 'deep'), { recursive: true })
      mkdirSync(target)
      writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 })
      writeFileSync(join(outside, 'deep/file'), 'file')
      if (!hostile.remove) writeFileSync(join(target, 'bystander'), 'bystander')
      const shell = (commands: string) => execFileSync('sh', ['-c', commands], { cwd: target })
      if (hostile.before !== undefined) shell(hostile.before)
      const before = describeTree(outside)
      const memory = process.memoryUsage().rss

      const outcome = await attempt(hostile, target)

      assert.ok(process.memoryUsage().rss - memory < 200 * 2 ** 20, 'too much memory')
      assert.deepEqual(differences(before, describeTree(outside)), [])
      assert.deepEqual(readdirSync(place).sort(), ['outside', 'target'])
      if (!hostile.remove) assert.equal(readFileSync(join(target, 'bystander'), 'utf8'), 'bystander')
      assert.equal(shell("find . -name '.freezer-*'").toString(), '')
      if (Array.isArray(outcome)) {
        const kind = outcome.length > 0 ? 'warning' : 'harmless'
        assert.equal(kind, hostile.outcome, JSON.stringify(outcome))
      } else {
        assert.equal(outcome, hostile.outcome)
      }
      if (hostile.afterwards !== undefined) shell(hostile.afterwards)
    })
  }
})

/** What the same case comes to where nothing is on a disk: what the archive itself has wrong is found as well. */
test('crafted archives meet the same checks when their entries are handed out', async (t) => {
  let refused = 0
  for (const hostile of hostileCases) {
    await t.test(hostile.title, async () => {
      const { archive, promised = 2 ** 50 } = hostile
      const memory = process.memoryUsage().rss
      let outcome: string
      try {
        const entries = hostile.entries ?? (await listArchive([archive], undefined))
        const found = await extractEntries(entries, [archive], { promised })
        for (const { path } of found) {
          assert.ok(!path.startsWith('/') && !path.split('/').includes('..'), path)
        }
        outcome = found.some(({ failure }) => failure !== undefined) ? 'warning' : 'harmless'
      } catch (error) {
        assert.ok(isFailure(error), `not a failure: ${(error as Error).stack}`)
        outcome = error.code
        refused++
      }
      assert.ok(process.memoryUsage().rss - memory < 200 * 2 ** 20, 'too much memory')
      // What warns on a disk may do so because of what is there already.
      if (hostile.outcome !== 'warning') assert.equal(outcome, hostile.outcome)
    })
  }
  assert.ok(refused >= 20, `${refused} were refused`)
})
