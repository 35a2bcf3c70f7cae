import { borg } from './borg.ts'
import type { Contestant } from './contestant.ts'
import { duplicity } from './duplicity.ts'
import { freezer, freezerGzip } from './freezer.ts'
import { pythonFreezer } from './python-freezer.ts'
import { restic } from './restic.ts'
import { rsync } from './rsync.ts'
import { tarGzip, tarZstd } from './tar.ts'

/** Everyone who may take part, ours first. */
export const contestants: readonly Contestant[] = [
  freezer,
  freezerGzip,
  tarZstd,
  tarGzip,
  restic,
  borg,
  duplicity,
  rsync,
  pythonFreezer,
]
