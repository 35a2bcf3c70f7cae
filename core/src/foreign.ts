/** Containers of other programs: found out what they are, opened for commands that only read, and refused to all others. */
import type { ForeignRepository, ForeignRequest } from '@freezer/sdk'
import { Failure, recogniseContainer } from '@freezer/sdk'

/**
 * Refuses a container of another program to a command that would write to it.
 * @throws Failure `refused`
 */
export async function refuseForeign(
  request: Pick<ForeignRequest, 'storage' | 'readers'>,
  signal: AbortSignal,
): Promise<void> {
  const reader = await recogniseContainer(request, signal)
  if (reader === undefined) return
  throw new Failure(
    'refused',
    `This is a container of ${reader.program}, which Freezer reads and never writes.`,
    {
      remedy:
        'Take its backups over with "freezer copy --to-container ...", and go on in that other container.',
    },
  )
}

/** What a command that went well must say all the same of backups that it looked into. */
export function foreignDamage({ damage }: ForeignRepository): Failure | undefined {
  const [first] = damage
  if (first === undefined) return undefined
  return new Failure('damaged', `What was looked into is damaged, so this may not be all: ${first.message}`, {
    remedy: 'What is known to be lost was named above.',
    cause: first,
  })
}
