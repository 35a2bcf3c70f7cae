import { Failure } from '@freezer/sdk'
import { count } from './text.ts'

/** Why an exit status is not 0 when manifests are damaged. */
export function damagedManifests(number: number): Failure | undefined {
  if (number === 0) return undefined
  return new Failure(
    'damaged',
    `${count(number)} of the backups cannot be read: their manifests are damaged.`,
    {
      remedy: 'All others can be restored; take the damaged ones from another copy of the container.',
    },
  )
}
