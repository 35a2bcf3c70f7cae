/** What a snapshot does not hold: subvolumes below its own, and whatever else is mounted there. */
import { opendir } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { isWithin } from './mounts.ts'
import { isOurs } from './owner.ts'
import type { Place } from './place.ts'
import { btrfsProgram } from './program.ts'

/** Paths relative to `path`, without those in which nothing is. */
export async function omittedBelow(
  { path, root, mounts }: Place,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const volumes = [...(await subvolumesIn(root, signal)), ...mounts.map(({ point }) => point)]
  const below = [...new Set(volumes)].filter((volume) => volume !== path && isWithin(volume, path)).sort()
  const omitted: string[] = []
  for (const volume of below) {
    const outer = omitted.some((one) => isWithin(volume, join(path, one)))
    if (!outer && !isOurs(basename(volume)) && (await holdsSomething(volume)))
      omitted.push(relative(path, volume))
  }
  return omitted
}

/** Subvolumes right below that of `root`, by their paths. */
async function subvolumesIn(root: string, signal: AbortSignal): Promise<readonly string[]> {
  const listed = await btrfsProgram(
    ['subvolume', 'list', '-o', root],
    `list the subvolumes of ${root}`,
    signal,
  )
  if (listed === '') return []
  // Both give paths from the root of the file system, which may not be mounted.
  const shown = await btrfsProgram(['subvolume', 'show', root], `look at the subvolume ${root}`, signal)
  const own = shown.slice(0, shown.indexOf('\n')).replace(/^\//, '')
  return listed
    .replace(/\n$/, '')
    .split(/^ID \d+ gen \d+ top level \d+ path /m)
    .slice(1)
    .map((path) => join(root, relative(`/${own}`, `/${path.replace(/\n$/, '')}`)))
}

async function holdsSomething(directory: string): Promise<boolean> {
  try {
    await using opened = await opendir(directory)
    return (await opened.read()) !== null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A file that something is mounted on has content; what is gone has none.
    return code !== 'ENOENT'
  }
}
