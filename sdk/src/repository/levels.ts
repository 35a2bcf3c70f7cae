/** Which level the next backup of a name gets, and which backup it builds on. */
import { Failure } from '../contracts/failures.ts'
import type { BackupName } from './names.ts'

export interface LevelPolicy {
  /** False: every backup is a level 0. True when not given. */
  readonly incremental?: boolean | undefined
  /** The level after which a new chain begins: 2 gives 0, 1, 2, 0, 1, 2, … */
  readonly maxLevel?: number | undefined
  /** The level that is made again and again, each on the level below: 2 gives 0, 1, 2, 2, 2, … */
  readonly alwaysLevel?: number | undefined
  /** Days after which a new chain begins, measured from its level 0. */
  readonly restartAlwaysLevel?: number | undefined
}

const day = 86_400_000

/** @throws Failure `usage` for a policy that contradicts itself */
export function checkPolicy(policy: LevelPolicy): void {
  const { incremental = true, maxLevel, alwaysLevel, restartAlwaysLevel } = policy
  if (maxLevel !== undefined && alwaysLevel !== undefined) {
    throw new Failure('usage', 'Give either a maximum level or an always level, not both.')
  }
  if (
    !incremental &&
    (maxLevel !== undefined || alwaysLevel !== undefined || restartAlwaysLevel !== undefined)
  ) {
    throw new Failure('usage', 'Without incremental backups there are no levels to limit or to restart.')
  }
}

/**
 * The backup that the next one builds on, undefined for a new chain.
 *
 * @param history every backup of the host and name, in any order
 * @param now milliseconds since 1970
 */
export function chooseParent(
  history: readonly BackupName[],
  policy: LevelPolicy,
  now: number,
): BackupName | undefined {
  checkPolicy(policy)
  const start = history
    .filter((b) => b.level === 0 && b.chain === b.id)
    .reduce<BackupName | undefined>(newer, undefined)
  const { incremental = true, maxLevel, alwaysLevel, restartAlwaysLevel } = policy
  if (!incremental || start === undefined) return undefined
  if (restartAlwaysLevel !== undefined && now >= start.time + restartAlwaysLevel * day) return undefined

  const chain = history.filter((b) => b.chain === start.chain)
  const highest = chain.reduce((level, b) => Math.max(level, b.level), 0)
  if (maxLevel !== undefined && highest >= maxLevel) return undefined
  if (alwaysLevel !== undefined && (alwaysLevel === 0 || highest > alwaysLevel)) return undefined
  const parentLevel = alwaysLevel !== undefined && highest === alwaysLevel ? alwaysLevel - 1 : highest
  return chain.filter((b) => b.level === parentLevel).reduce<BackupName | undefined>(newer, undefined)
}

/** The later of two backups; the larger id where the clock cannot tell. */
export function newer(a: BackupName | undefined, b: BackupName): BackupName {
  if (a === undefined) return b
  return b.time > a.time || (b.time === a.time && b.id > a.id) ? b : a
}
