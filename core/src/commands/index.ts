import Backup from './backup.ts'
import Cat from './cat.ts'
import Check from './check.ts'
import Completion from './completion.ts'
import Copy from './copy.ts'
import Diff from './diff.ts'
import Dump from './dump.ts'
import Find from './find.ts'
import Heal from './heal.ts'
import Info from './info.ts'
import KeyAdd from './key-add.ts'
import KeyList from './key-list.ts'
import KeyRemove from './key-remove.ts'
import KeyRotate from './key-rotate.ts'
import Limit from './limit.ts'
import List from './list.ts'
import Ls from './ls.ts'
import Pin from './pin.ts'
import PluginsAvailable from './plugins-available.ts'
import PluginsCheck from './plugins-check.ts'
import PluginsCreate from './plugins-create.ts'
import PluginsInspect from './plugins-inspect.ts'
import PluginsInstall from './plugins-install.ts'
import PluginsLink from './plugins-link.ts'
import PluginsList from './plugins-list.ts'
import PluginsLock from './plugins-lock.ts'
import PluginsUninstall from './plugins-uninstall.ts'
import PluginsUpdate from './plugins-update.ts'
import Prune from './prune.ts'
import Restore from './restore.ts'
import Status from './status.ts'
import StorageTest from './storage-test.ts'
import Verify from './verify.ts'

/**
 * Every command, by its id; the build (`scripts/bundle.ts`) makes the manifest of oclif of it. A command `key:list` is in `key-list.ts`.
 */
export const commands = {
  backup: Backup,
  restore: Restore,
  verify: Verify,
  list: List,
  info: Info,
  status: Status,
  ls: Ls,
  find: Find,
  diff: Diff,
  cat: Cat,
  dump: Dump,
  prune: Prune,
  pin: Pin,
  'key:list': KeyList,
  'key:add': KeyAdd,
  'key:remove': KeyRemove,
  'key:rotate': KeyRotate,
  check: Check,
  copy: Copy,
  limit: Limit,
  'storage:test': StorageTest,
  heal: Heal,
  'plugins:list': PluginsList,
  'plugins:available': PluginsAvailable,
  'plugins:inspect': PluginsInspect,
  'plugins:install': PluginsInstall,
  'plugins:link': PluginsLink,
  'plugins:uninstall': PluginsUninstall,
  'plugins:update': PluginsUpdate,
  'plugins:lock': PluginsLock,
  'plugins:check': PluginsCheck,
  'plugins:create': PluginsCreate,
  completion: Completion,
}
