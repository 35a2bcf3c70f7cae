/** What became of each of several storages. */
import { Failure, toRecord } from '@freezer/sdk'
import type { MirroredStorage } from '@freezer/sdk/storages'
import { parseStoragePolicy } from '../storage-policy.ts'
import type { Outcome } from './reporter.ts'
import { count, facts, visible } from './text.ts'

/** `outcome` with the state of each storage; a failure when fewer than the policy wants came to the end. */
export function withStorages(outcome: Outcome, storage: MirroredStorage, policy: string): Outcome {
  const { live, lost } = storage
  const storages = [
    ...live.map(({ name }) => ({ name, state: 'done' as const })),
    ...lost.map(({ name, failure }) => ({ name, state: 'failed' as const, failure: toRecord(failure) })),
  ]
  const { wanted } = parseStoragePolicy(policy, storages.length)
  const [first] = lost
  return {
    ...outcome,
    json: { ...outcome.json, storages },
    lines: [
      ...outcome.lines,
      ...facts([
        ['Storages', live.map(({ name }) => visible(name)).join(', ')],
        ...(lost.length === 0 ? [] : [['Failed', lost.map(({ name }) => visible(name)).join(', ')] as const]),
      ]),
    ],
    failure:
      first !== undefined && live.length < wanted
        ? new Failure(
            first.failure.code,
            `Done on ${count(live.length)} of ${count(storages.length)} storages alone: ` +
              lost.map(({ name, failure }) => `${name} failed: ${failure.message}`).join(' '),
            {
              remedy: `${first.failure.remedy ?? 'See that it works again.'} Then "freezer heal" brings it what it lacks.`,
              cause: first.failure,
            },
          )
        : outcome.failure,
  }
}
