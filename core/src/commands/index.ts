import Backup from './backup.ts'
import Cat from './cat.ts'
import Check from './check.ts'
import Copy from './copy.ts'
import Diff from './diff.ts'
import Dump from './dump.ts'
import Find from './find.ts'
import Info from './info.ts'
import List from './list.ts'
import Ls from './ls.ts'
import Restore from './restore.ts'
import Status from './status.ts'

/** Looked up by oclif, see package.json. */
export const commands = {
  backup: Backup,
  restore: Restore,
  list: List,
  info: Info,
  status: Status,
  ls: Ls,
  find: Find,
  diff: Diff,
  cat: Cat,
  dump: Dump,
  check: Check,
  copy: Copy,
}
