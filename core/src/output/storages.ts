/** What became of each of several storages. */
import { Failure, toRecord } from '@freezer/sdk'
import type { LostMirror, MirroredStorage } from '@freezer/sdk/storages'
import { parseStoragePolicy } from '../storage-policy.ts'
import type { Outcome } from './reporter.ts'
import { count, facts, visible } from './text.ts'

/** `outcome` with the state of each storage; a failure when fewer than the policy wants came to the end. */
export function withStorages(outcome: Outcome, storage: MirroredStorage, policy: string): Outcome {
  const { live, lost } = storage
  const { json } = outcome
  const storages = statesOf(storage, 'done')
  const { wanted } = parseStoragePolicy(policy, storages.length)
  const [first] = lost
  const lines = [
    ...outcome.lines,
    ...facts([
      ['Storages', live.map(({ name }) => visible(name)).join(', ')],
      ...(lost.length === 0 ? [] : [['Failed', lost.map(({ name }) => visible(name)).join(', ')] as const]),
    ]),
  ]
  if (first === undefined) return { ...outcome, json: { ...json, storages }, lines }
  const catchUp =
    outcome.catchUp?.(live[0]?.name ?? '', lost) ??
    'Once it works again, "freezer heal" brings it what it lacks.'
  const failure =
    live.length < wanted
      ? new Failure(
          first.failure.code,
          `Done on ${count(live.length)} of ${count(storages.length)} storages alone: ` +
            lost.map(({ name, failure: { message } }) => `${name} failed: ${message}`).join(' '),
          {
            remedy: `${first.failure.remedy ?? 'See that it works again.'} ${catchUp}`,
            cause: first.failure,
          },
        )
      : outcome.failure
  return {
    ...outcome,
    json: { ...json, storages, catchUp },
    // Who is content with fewer hears it as well.
    lines: failure === undefined ? [...lines, visible(catchUp)] : lines,
    failure,
  }
}

/** The same of a run that came to no end. */
export function stoppedStorages(storage: MirroredStorage): object[] {
  return statesOf(storage, 'stopped')
}

function statesOf({ live, lost }: MirroredStorage, state: 'done' | 'stopped'): object[] {
  return [
    ...live.map(({ name }) => ({ name, state })),
    ...lost.map(({ name, failure }: LostMirror) => ({ name, state: 'failed', failure: toRecord(failure) })),
  ]
}
