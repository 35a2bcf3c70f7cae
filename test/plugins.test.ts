// The packages from tarballs, in an empty folder without a compiler; and plugins of strangers, from nothing to a backup.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import {
  manifestOf,
  pack,
  packAll,
  type Registry,
  runIn,
  startRegistry,
  userEnvironment,
} from './support/packages.ts'
import { type Ended, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('plugins')
const at = (...parts: readonly string[]) => path.join(scratch.path, ...parts)
const tree = at('tree')
let registry: Registry
let environment: NodeJS.ProcessEnv

before(async () => {
  registry = await startRegistry()
  for (const tarball of packAll(at('tarballs'))) registry.publish(tarball)
  environment = userEnvironment(at(), registry.url, ['@freezer', '@stranger'])
  for (const name of ['prefix', 'work', 'tree']) fs.mkdirSync(at(name))
  fs.writeFileSync(path.join(tree, 'file'), 'content')
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  scratch.remove()
})

/** The installed program. */
const freezer = (...words: readonly string[]) =>
  runIn(at('work'), environment, at('prefix', 'node_modules', '.bin', 'freezer'), ...words)

function succeeded(ended: Ended): string {
  assert.equal(ended.status, 0, ended.stdout + ended.stderr)
  return ended.stdout
}

/** A restore of the newest backup in a container must bring the tree back. */
async function roundTrip(container: string, how: readonly string[], restoreHow = how): Promise<void> {
  const target = at(`restored-${path.basename(container)}`)
  succeeded(await freezer('backup', tree, '-N', 'tree', '--container', container, ...how))
  succeeded(await freezer('restore', target, '-N', 'tree', '--container', container, ...restoreHow))
  assert.equal(fs.readFileSync(path.join(target, 'file'), 'utf8'), 'content')
}

test('every package installs from its tarball without a compiler, and the program runs', async () => {
  fs.writeFileSync(at('prefix', 'package.json'), '{ "private": true }')
  succeeded(await runIn(at('prefix'), environment, 'npm', 'install', '--ignore-scripts', '@freezer/core'))
  assert.match(succeeded(await freezer('--version')), /^@freezer\/core\/\d/)
  fs.writeFileSync(at('pass'), 'correct horse\n')
  await roundTrip(at('first'), ['--encrypt-pass-file', at('pass')])
  const { plugins, refused } = JSON.parse(succeeded(await freezer('plugins', 'list', '--json')))
  assert.deepEqual(refused, [])
  const packages = fs
    .readdirSync(at('tarballs'))
    .filter((name) => manifestOf(at('tarballs', name)).freezer !== undefined)
  assert.equal(plugins.length, packages.length)
  for (const { file } of plugins) assert.ok(file.startsWith(at('prefix', 'node_modules')), file)
})

test('a plugin of ours that is not installed is named with its install line, and installs', async () => {
  const core = at('prefix', 'node_modules', '@freezer', 'core', 'package.json')
  const manifest = JSON.parse(fs.readFileSync(core, 'utf8'))
  delete manifest.dependencies['@freezer/storage-ssh']
  fs.writeFileSync(core, JSON.stringify(manifest))
  fs.rmSync(at('prefix', 'node_modules', '@freezer', 'storage-ssh'), { recursive: true })

  const refused = await freezer('list', '--storage', 'ssh', '--container', 'x')
  assert.equal(refused.status, 12)
  assert.match(
    refused.stderr,
    /There is no storage "ssh"\. Install it with "freezer plugins install @freezer\/storage-ssh"/,
  )
  const available = JSON.parse(succeeded(await freezer('plugins', 'available', '--json'))).plugins
  assert.deepEqual(
    available
      .filter((one: { installed: boolean }) => !one.installed)
      .map((one: { package: string }) => one.package),
    ['@freezer/storage-ssh'],
  )
  succeeded(await freezer('plugins', 'install', '@freezer/storage-ssh'))
  assert.match(succeeded(await freezer('list', '--help')), /^STORAGE SSH FLAGS$/m)
  const shown = JSON.parse(succeeded(await freezer('plugins', 'inspect', '@freezer/storage-ssh', '--json')))
  assert.equal(shown.origin.kind, 'registry')
  assert.match(shown.origin.integrity, /^sha512-/)
})

const kinds = ['storage', 'mode', 'snapshot', 'engine', 'codec', 'notifier']

for (const kind of kinds) {
  test(`plugins create ${kind}: builds, passes its tests, links`, async () => {
    const made = succeeded(await freezer('plugins', 'create', kind, `my-${kind}`))
    assert.match(made, /npm install/)
    const folder = at('work', `freezer-${kind}-my-${kind}`)
    // The first one installs what all need; the others find it above them.
    if (kind === kinds[0]) {
      succeeded(await runIn(folder, environment, 'npm', 'install'))
      fs.renameSync(path.join(folder, 'node_modules'), at('work', 'node_modules'))
    }
    const bin = at('work', 'node_modules', '.bin')
    // The tests of an engine take long, and are run where the template lies.
    const script = kind === 'engine' ? 'build' : 'test'
    const withTools = { ...environment, PATH: `${bin}:${environment.PATH}` }
    succeeded(await runIn(folder, withTools, 'npm', 'run', script))
    const linked = await freezer('plugins', 'link', folder)
    assert.match(succeeded(linked), new RegExp(`provides ${kind} my-${kind}`))
  })
}

test('a storage and a mode are less than 60 lines of code', () => {
  for (const kind of ['storage', 'mode']) {
    const source = at('work', `freezer-${kind}-my-${kind}`, 'src')
    const lines = fs
      .readdirSync(source)
      .flatMap((name) => fs.readFileSync(path.join(source, name), 'utf8').split('\n'))
      .filter((line) => !/^\s*(\/\/|\/\*|\*|$)/.test(line))
    assert.ok(lines.length < 60, `${kind}: ${lines.length}`)
  }
})

test('nothing is created over what is there, and under no name that cannot be', async () => {
  assert.equal((await freezer('plugins', 'create', 'storage', 'my-storage')).status, 5)
  assert.equal((await freezer('plugins', 'create', 'storage', 'My_Storage')).status, 2)
  assert.equal((await freezer('plugins', 'create', 'oven', 'hot')).status, 2)
})

test('what was created works in every command, with its flags under its own heading', async () => {
  const help = succeeded(await freezer('backup', '--help'))
  for (const heading of ['CODEC MY-CODEC FLAGS', 'NOTIFIER MY-NOTIFIER FLAGS']) {
    assert.match(help, new RegExp(`^${heading}$`, 'm'))
  }
  for (const name of ['my-mode', 'my-engine', 'my-codec']) assert.match(help, new RegExp(name))
  await roundTrip(at('blobs.sqlite'), ['--storage', 'my-storage'])
  const storage = ['--storage', 'my-storage', '--container', at('blobs.sqlite')]
  for (const command of ['list', 'check', 'status', 'info']) succeeded(await freezer(command, ...storage))
  await roundTrip(at('engine'), ['--engine', 'my-engine', '--compression', 'my-codec'], [])
  const journal = at('journal')
  await roundTrip(at('told'), ['--notify', 'my-notifier', '--journal-file', journal])
  assert.match(
    fs.readFileSync(journal, 'utf8'),
    /\tbackup\ttree\tsuccess\t0\n.*\trestore\ttree\tsuccess\t0\n/,
  )

  const { DatabaseSync } = await import('node:sqlite')
  const file = at('shop.sqlite')
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (7)')
  succeeded(await freezer('backup', file, '--mode', 'my-mode', '-N', 'shop', '--container', at('shops')))
  database.close()
  succeeded(await freezer('restore', at('shop'), '-N', 'shop', '--container', at('shops')))
  const restored = new DatabaseSync(at('shop', 'shop.sqlite'))
  assert.equal(restored.prepare('SELECT id FROM orders').get()?.id, 7)
  restored.close()
})

test('plugins check runs the contracts here; what is in a storage is safe from it', async () => {
  const folder = at('work', 'freezer-codec-my-codec')
  const report = JSON.parse(succeeded(await freezer('plugins', 'check', folder, '--json')))
  assert.ok(report.passed > 10)
  assert.equal(report.failed, 0)
  const words = ['plugins', 'check', 'freezer-storage-my-storage']
  assert.equal((await freezer(...words)).status, 2)
  assert.equal((await freezer(...words, '--set', 'oven=hot')).status, 2)
  const full = await freezer(...words, '--set', `container=${at('blobs.sqlite')}`)
  assert.equal(full.status, 5)
  succeeded(await freezer('check', '--storage', 'my-storage', '--container', at('blobs.sqlite')))

  const index = path.join(folder, 'dist', 'brotli.js')
  const right = fs.readFileSync(index, 'utf8')
  fs.writeFileSync(index, right.replace('bytes.length > limit', 'false').replace('Math.max(1, limit)', '1e9'))
  const wrong = await freezer('plugins', 'check', folder)
  fs.writeFileSync(index, right)
  assert.equal(wrong.status, 12)
  assert.match(wrong.stdout, /^FAIL {2}codec my-codec: gives no more than the limit/m)
  assert.match(wrong.stderr, /checks failed/)
})

/** The storage that was created, as another package. */
function strangersStorage(
  version: string,
  change: (manifest: Record<string, unknown>) => void = () => {},
): string {
  const folder = at('stranger')
  fs.cpSync(at('work', 'freezer-storage-my-storage'), folder, { recursive: true })
  const file = path.join(folder, 'package.json')
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'))
  manifest.name = '@stranger/storage-shelf'
  manifest.version = version
  change(manifest)
  fs.writeFileSync(file, JSON.stringify(manifest))
  const [tarball = ''] = pack([folder], at('tarballs'))
  fs.rmSync(folder, { recursive: true })
  return tarball
}

const shelf = '@stranger/storage-shelf'

test('a tarball installs, is inspected, locked and uninstalled', async () => {
  const tarball = strangersStorage('1.0.0')
  const taken = await freezer('plugins', 'install', tarball)
  assert.equal(taken.status, 12)
  assert.match(taken.stderr, /storage my-storage is provided by both/)
  assert.deepEqual(
    fs.readdirSync(at('data', 'installed')).filter((name) => name.includes('shelf') || name.startsWith('.')),
    [],
  )
  succeeded(await freezer('plugins', 'uninstall', 'freezer-storage-my-storage'))
  assert.ok(fs.existsSync(at('work', 'freezer-storage-my-storage', 'package.json')))
  succeeded(await freezer('plugins', 'install', path.relative(at('work'), tarball)))
  await roundTrip(at('shelf.sqlite'), ['--storage', 'my-storage'])

  const shown = JSON.parse(succeeded(await freezer('plugins', 'inspect', shelf, '--json')))
  assert.deepEqual([shown.version, shown.origin.kind, shown.origin.from], ['1.0.0', 'tarball', tarball])
  assert.deepEqual(shown.provides, { storage: ['my-storage'] })
  // The sdk of the program is the only one there is.
  const sdk = path.join(shown.directory, '..', '..', '@freezer', 'sdk')
  assert.equal(fs.realpathSync(sdk), at('prefix', 'node_modules', '@freezer', 'sdk'))

  const refused = await freezer('plugins', 'install', at('work'))
  assert.equal(refused.status, 2)
  assert.match(refused.stderr, /plugins link/)
  for (const name of ['@stranger/none', '@freezer/mode-none']) {
    assert.equal((await freezer('plugins', 'install', name)).status, 4)
  }
  assert.equal((await freezer('plugins', 'uninstall', '@freezer/mode-fs')).status, 5)
  assert.equal((await freezer('plugins', 'uninstall', '@stranger/none')).status, 4)
})

test('a lock allows what it lists, as it was', async () => {
  const lock = at('freezer.lock')
  const ini = at('freezer.ini')
  fs.writeFileSync(ini, `[default]\nplugin_lock = ${lock}\n`)
  const list = ['list', '--storage', 'my-storage', '--container', at('shelf.sqlite')]
  assert.equal((await freezer(...list, '--config', ini)).status, 2)
  succeeded(await freezer('plugins', 'lock', lock))
  succeeded(await freezer(...list, '--config', ini))

  const { directory } = JSON.parse(succeeded(await freezer('plugins', 'inspect', shelf, '--json')))
  const file = path.join(directory, 'dist', 'blobs.js')
  fs.appendFileSync(file, '// a word more\n')
  for (const how of [
    ['--config', ini],
    ['--plugin-lock', lock],
  ]) {
    const refused = await freezer(...list, ...how)
    assert.equal(refused.status, 12)
    assert.match(
      refused.stderr,
      /@stranger\/storage-shelf was refused: its files are not those that .*freezer.lock allows/,
    )
  }
  const others = await freezer(
    'list',
    '--container',
    at('first'),
    '--encrypt-pass-file',
    at('pass'),
    '--config',
    ini,
  )
  assert.match(succeeded(others), /tree/)
  assert.match(others.stderr, /storage-shelf was refused/)
  const help = await freezer('list', '--help', '--config', ini)
  assert.doesNotMatch(succeeded(help), /MY-STORAGE/)
  succeeded(await freezer('plugins', 'lock', '--config', ini))
  succeeded(await freezer(...list, '--config', ini))
  const entries = JSON.parse(fs.readFileSync(lock, 'utf8'))
  entries.plugins = entries.plugins.filter((one: { package: string }) => one.package !== shelf)
  fs.writeFileSync(lock, JSON.stringify(entries))
  assert.match((await freezer(...list, '--config', ini)).stderr, /it is not listed in/)
  succeeded(await freezer('plugins', 'uninstall', shelf))
  assert.deepEqual(
    fs.readdirSync(at('data', 'installed')).filter((name) => name.includes('shelf')),
    [],
  )
})

test('what is in the registry installs and is updated, and stays when the newer one does not fit', async () => {
  registry.publish(strangersStorage('1.0.1'))
  succeeded(await freezer('plugins', 'install', shelf))
  assert.match(succeeded(await freezer('plugins', 'update', shelf)), /1\.0\.1 is the newest/)
  registry.publish(strangersStorage('1.1.0'))
  assert.match(succeeded(await freezer('plugins', 'update')), /1\.0\.1 → 1\.1\.0/)
  registry.publish(
    strangersStorage('2.0.0', (manifest) => {
      manifest.freezer = { api: '9.0', provides: { storage: ['my-storage'] } }
    }),
  )
  const stays = await freezer('plugins', 'update', shelf)
  assert.equal(stays.status, 12)
  assert.match(stays.stdout, /stays at 1\.1\.0: .* made for API 9\.0/)
  assert.match(stays.stderr, /Update Freezer/)
  succeeded(await freezer('list', '--storage', 'my-storage', '--container', at('shelf.sqlite')))
  succeeded(await freezer('plugins', 'uninstall', shelf))
})
