import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { spell } from '@freezer/sdk'
import { commands } from '../src/commands/index.ts'
import { watchOptionsOf } from '../src/invocation.ts'
import { commonOptions } from '../src/options.ts'
import { freezer, program, scratchDirectory, startFreezer } from './support.ts'

const scratch = scratchDirectory()
const tree = join(scratch, 'tree')
const container = join(scratch, 'container')
const passphraseFile = join(scratch, 'passphrase')
const passphrase = 'correct-horse-battery'
const target = ['--container', container, '--backup-name', 'tree']

mkdirSync(join(tree, 'sub'), { recursive: true })
writeFileSync(join(tree, 'file'), 'content\n')
writeFileSync(join(tree, 'sub', 'other'), 'more\n')
writeFileSync(passphraseFile, `${passphrase}\n`)

suite('help', () => {
  test('names the commands', async () => {
    const { status, stdout } = await freezer(['--help'])
    assert.equal(status, 0)
    for (const name of Object.keys(commands)) {
      const [word] = name.split(':')
      assert.match(stdout, new RegExp(`^  ${word} `, 'm'))
    }
  })

  const options = {
    backup:
      'path-to-backup container backup-name storage mode engine compression encryption encrypt-pass-file exclude ' +
      '[no-]one-file-system dereference-symlink max-level always-level restart-always-level [no-]incremental ' +
      'max-segment-size queue-size workers [no-]dry-run hostname zstd-level key-file encrypt-recipient',
    restore:
      'container backup-name storage encrypt-pass-file backup hostname path include exclude restore-from-date ' +
      'overwrite [no-]delete [no-]dry-run workers',
    verify:
      'container verify-path backup-name storage encrypt-pass-file backup hostname path include exclude workers',
    list: 'container backup-name hostname storage encrypt-pass-file',
    check: 'container backup-name hostname storage encrypt-pass-file read-data resume workers',
    copy:
      'container backup-name storage encrypt-pass-file to-container to-storage to-encrypt-pass-file to-compression to-encryption ' +
      'to-zstd-level to-max-segment-size backups [no-]verify [no-]dry-run queue-size workers',
    info: 'container storage encrypt-pass-file',
    prune:
      'container backup-name hostname keep-last keep-hourly keep-daily keep-weekly keep-monthly keep-yearly keep-within ' +
      'remove-older-than remove-from-date garbage-after [no-]dry-run storage encrypt-pass-file',
    pin: 'backup container backup-name hostname [no-]remove storage encrypt-pass-file',
    status: 'container backup-name hostname max-age storage encrypt-pass-file metrics-file notify',
    ls: 'container storage encrypt-pass-file backup-name hostname [no-]recursive [no-]long',
    find: 'container storage encrypt-pass-file backup-name hostname [no-]ignore-case',
    diff: 'container storage encrypt-pass-file backup-name hostname [no-]times',
    cat: 'container storage encrypt-pass-file backup-name hostname',
    dump: 'container storage encrypt-pass-file backup-name hostname format',
    completion: 'shell',
    'key:list': 'container storage encrypt-pass-file key-file',
    'key:add': 'new-pass-file new-key-file [no-]recipient recipient-file recipient-host label',
    'key:remove': 'key-id [no-]force',
    'key:rotate': '[no-]remove-others',
    heal: 'container storage storage-policy encrypt-pass-file before after [no-]read-data keys-from [no-]dry-run',
    limit: 'upload-limit download-limit to-upload-limit to-download-limit',
    'storage:test': 'container storage test-bytes test-objects [no-]create',
    'plugins:list': 'plugin-lock',
    'plugins:available': 'plugin-lock',
    'plugins:inspect': 'package',
    'plugins:install': 'package [no-]scripts',
    'plugins:link': 'directory',
    'plugins:uninstall': 'package',
    'plugins:update': 'package [no-]scripts',
    'plugins:lock': 'lock-file',
    'plugins:check': 'package provider set',
    'plugins:create': 'kind name dir',
  }
  for (const [name, command] of Object.entries(commands)) {
    test(`of ${name} shows every option, under the heading of who provides it`, async () => {
      const { status, stdout } = await freezer([...name.split(':'), '--help'])
      assert.equal(status, 0)
      const { selectors, options: own } = command.spec
      const watch = watchOptionsOf(command.spec)
      const declared = Object.entries({ ...commonOptions, ...selectors, ...watch, ...own }).map(
        ([option, { type }]) => `${type === 'boolean' ? '[no-]' : ''}${spell(option, '-')}`,
      )
      for (const flag of [...declared, ...options[name as keyof typeof options].split(' ')]) {
        assert.ok(new RegExp(`--${flag.replace('[no-]', '\\[no-\\]')}[= \n]`).test(stdout), flag)
      }
      const kinds: readonly string[] = command.spec.kinds
      const needsStorage = /^STORAGE LOCAL FLAGS\n +--container=DIR +\(required\)/m.test(stdout)
      assert.equal(needsStorage, kinds.includes('storage'))
      assert.match(stdout, /^EXAMPLES\n +\$ freezer /m)
      assert.equal(stdout.split(stdout.split('\n', 1)[0] ?? '').length, 2, 'the summary stands there once')
      if (name === 'backup') assert.match(stdout, /^MODE FS FLAGS$/m)
    })
  }
})

suite('a mistake', () => {
  const nothing = join(scratch, 'nothing')
  const ini = join(scratch, 'wrong.ini')
  writeFileSync(ini, '[default]\nmax_levle = 3\n')
  const cases: [what: string, args: string[], status: number, words: RegExp][] = [
    ['an unknown command', ['bakup'], 2, /no command bakup\. Perhaps backup is meant/],
    ['an argument too many', ['list', 'x'], 2, /Unexpected argument: x/],
    ['two paths', ['backup', tree, tree, ...target], 2, /Unexpected argument/],
    [
      'an unknown flag',
      ['list', '--contaner', container],
      2,
      /no option --contaner\. Perhaps --container is/,
    ],
    ['a flag of the prototype', ['list', '--constructor', ...target], 2, /no option --constructor/],
    ['a flag of another provider', ['backup', tree, ...target, '--xz-level=3'], 2, /option of codec xz/],
    ['a flag without its value', ['list', '--container'], 2, /--container expects a value/],
    ['a required option', ['list'], 2, /--container is required/],
    ['no path', ['backup', ...target], 2, /PATH is required/],
    ['no destination', ['restore', ...target], 2, /DEST is required/],
    ['a path twice', ['backup', tree, '--path-to-backup', tree, ...target], 2, /mean the same/],
    [
      'a number',
      ['backup', tree, ...target, '--max-level', 'x'],
      2,
      /--max-level: "x" is not a whole number/,
    ],
    ['a choice', ['backup', tree, ...target, '--dereference-symlink', 'x'], 2, /"x" is none of none, soft/],
    ['levels', ['backup', tree, ...target, '--max-level=1', '--always-level=1'], 2, /contradict each other/],
    [
      'no levels',
      ['backup', tree, ...target, '--no-incremental', '--max-level=1'],
      2,
      /contradict each other/,
    ],
    ['a date', ['restore', nothing, ...target, '--restore-from-date', 'then'], 2, /"then" is not a date/],
    ['delete alone', ['restore', nothing, ...target, '--delete'], 2, /Add --overwrite/],
    ['an ini key', ['backup', tree, ...target, '--config', ini], 2, /wrong\.ini line 2.*max_level is meant/],
    ['an ini file', ['list', ...target, '--config', nothing], 2, /configuration file .*nothing/],
    ['a path that is not there', ['backup', nothing, ...target], 4, /no file or directory .*nothing/],
    ['a container that is not there', ['list', '--container', nothing], 4, /nothing/],
    ['a name that is not there', ['restore', nothing, '--container', container, '-N', 'x'], 4, /"x"/],
    ['a restore over something', ['restore', tree, ...target], 5, /is not empty.*--overwrite/],
    ['no passphrase', ['list', ...target, '--encrypt-pass-file', nothing], 8, /nothing cannot be read/],
    [
      'a storage that is not there',
      ['list', ...target, '--storage', 'tape'],
      12,
      /"tape"\. Installed: [^.]*\blocal\b/,
    ],
    [
      'a codec of another kind',
      ['backup', tree, ...target, '--compression', 'aes-256-gcm'],
      2,
      /not one for comp/,
    ],
  ]
  before(async () => assert.equal((await freezer(['backup', tree, ...target])).status, 0))
  for (const [what, args, status, words] of cases) {
    test(`${what}: exit ${status}, one sentence on stderr`, async () => {
      const text = await freezer(args)
      assert.equal(text.status, status, text.stderr)
      assert.match(text.stderr, words)
      assert.match(text.stderr, /^freezer: [^\n]+\n$/)
      assert.equal(text.stdout, '')
      if (status === 2 && !args.includes('bakup')) return
      const json = await freezer([...args, '--json'])
      assert.equal(json.status, status)
      const { message, remedy } = JSON.parse(json.stdout).failure
      assert.match(`${message} ${remedy}`, words)
    })
  }
})

suite('a backup', () => {
  const away = join(scratch, 'away')
  const to = ['--container', away, '--hostname', 'here', '-N', 'name']

  test('goes in, is listed and described, and comes out', async () => {
    const dry = await freezer(['backup', tree, ...to, '--dry-run', '--json'])
    assert.equal(JSON.parse(dry.stdout).dryRun, true)
    assert.ok(!existsSync(away))

    for (const level of [0, 1]) {
      const { status, stdout, stderr } = await freezer(['backup', tree, ...to, '--json'])
      assert.equal(status, 0, stderr)
      const { host, name, level: made } = JSON.parse(stdout)
      assert.deepEqual({ host, name, made }, { host: 'here', name: 'name', made: level })
    }
    const list = await freezer(['list', '--container', away])
    assert.match(
      list.stdout,
      /^ID +NAME +HOST +LEVEL +TIME +SIZE +STORED +ENGINE +CODECS\n[0-9a-f]{8} +name +here +0 .*\n[0-9a-f]{8} +name +here +1 /,
    )
    const json = JSON.parse((await freezer(['list', '--container', away, '--json'])).stdout)
    assert.deepEqual(
      json.backups.map(({ level }: { level: number }) => level),
      [0, 1],
    )
    assert.deepEqual(
      JSON.parse((await freezer(['list', '--container', away, '-N', 'x', '--json'])).stdout).backups,
      [],
    )
    assert.match((await freezer(['info', '--container', away])).stdout, /^Backups: +2$/m)
    assert.equal(JSON.parse((await freezer(['info', '--container', away, '--json'])).stdout).backups, 2)

    const out = join(scratch, 'out')
    const { status, stderr } = await freezer(['restore', out, ...to])
    assert.equal(status, 0, stderr)
    assert.equal(readFileSync(join(out, 'sub', 'other'), 'utf8'), 'more\n')
  })

  test('takes its options from an ini file and the environment, the command line first', async () => {
    const ini = join(scratch, 'job.ini')
    writeFileSync(
      ini,
      `[job]\npath_to_backup = ${tree}\nbackup-name = fromini\ncontainer = ${away}\nno_incremental = true\n` +
        'exclude = sub\nexclude = nothing\nrestore_from_date = 2026-01-01\nxz_level = 1\n',
    )
    const environment = {
      FREEZER_HOSTNAME: 'fromenv',
      FREEZER_BACKUP_NAME: 'fromenv',
      FREEZER_COMPRESSION: 'gzip',
    }
    const first = JSON.parse((await freezer(['backup', '--config', ini, '--json'], environment)).stdout)
    const { host, name, entries, codecs } = first
    assert.deepEqual(
      { host, name, entries, codecs },
      { host: 'fromenv', name: 'fromini', entries: 2, codecs: ['gzip'] },
    )
    const second = await freezer(['backup', '--backup-name', 'fromcli', '--json'], {
      ...environment,
      FREEZER_CONFIG: ini,
    })
    assert.equal(JSON.parse(second.stdout).name, 'fromcli')
  })

  test('with something unread is incomplete: exit 3 after its result', async () => {
    // Some files there can only be written, by anybody: so root, too, has files that cannot be read.
    const { status, stdout, stderr } = await freezer([
      'backup',
      '/proc/sys/vm',
      '--container',
      away,
      '-N',
      'proc',
      '--json',
    ])
    const result = JSON.parse(stdout)
    assert.ok(result.unread > 0, stdout)
    assert.equal(status, 3)
    assert.equal(result.failure.code, 'incomplete')
    assert.match(stderr, /"type":"warning","kind":"unread"/)
  })

  test('never tells its passphrase', async () => {
    const sealed = ['--container', join(scratch, 'sealed'), '--encrypt-pass-file', passphraseFile]
    const runs = [
      ['backup', tree, ...sealed, '-N', 'n', '--debug'],
      ['backup', tree, ...sealed, '-N', 'n', '--debug', '--json'],
      ['list', ...sealed, '--debug'],
      ['info', ...sealed, '--json'],
      ['restore', join(scratch, 'unsealed'), ...sealed, '-N', 'n', '--debug'],
    ]
    for (const args of runs) {
      const { status, stdout, stderr } = await freezer(args)
      assert.equal(status, 0, stderr)
      assert.ok(!(stdout + stderr).includes(passphrase))
    }
    writeFileSync(join(scratch, 'wrong'), `${passphrase}-wrong`)
    const wrong = await freezer(['list', ...sealed.slice(0, 3), join(scratch, 'wrong'), '--debug'])
    assert.equal(wrong.status, 8)
    assert.ok(!(wrong.stdout + wrong.stderr).includes(passphrase))
    assert.equal((await freezer(['list', ...sealed.slice(0, 2)])).status, 8)
  })

  test('stops on a signal, with exit 130, and leaves no backup', async () => {
    const large = join(scratch, 'large')
    mkdirSync(large)
    writeFileSync(join(large, 'noise'), Buffer.alloc(48 << 20, Buffer.from('0123456789abcdef')))
    const stopped = ['--container', join(scratch, 'stopped')]
    const { child, ended } = startFreezer([
      'backup',
      large,
      ...stopped,
      '-N',
      'n',
      '--json',
      '--compression',
      'xz',
      '--xz-level',
      '9',
      '--workers',
      '1',
    ])
    await new Promise<void>((resolve) => child.stderr?.once('data', () => resolve()))
    child.kill('SIGTERM')
    const { status, stdout } = await ended
    assert.equal(status, 130)
    assert.equal(JSON.parse(stdout).failure.code, 'interrupted')
    assert.deepEqual(JSON.parse((await freezer(['list', ...stopped, '--json'])).stdout).backups, [])
  })

  test('does not mind that nobody reads its output', async () => {
    const { child, ended } = startFreezer(['list', '--container', away])
    child.stdout?.destroy()
    const { status, stderr } = await ended
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
})

suite('plugins', () => {
  test('one that is broken is refused alone, with a word about it', async () => {
    const data = join(scratch, 'data')
    const broken = join(scratch, 'broken')
    for (const directory of [data, broken]) mkdirSync(directory)
    writeFileSync(
      join(data, 'package.json'),
      JSON.stringify({
        oclif: {
          plugins: [
            { name: 'broken', type: 'link', root: broken },
            { name: 'gone', type: 'user' },
          ],
        },
      }),
    )
    writeFileSync(
      join(broken, 'package.json'),
      JSON.stringify({
        name: 'broken',
        version: '1.0.0',
        type: 'module',
        oclif: {},
        freezer: { api: '99.0' },
      }),
    )
    const { status, stdout, stderr } = await freezer(['list', ...target], { FREEZER_DATA_DIR: data })
    assert.equal(status, 0)
    assert.match(stdout, /^ID +NAME/)
    assert.match(stderr, /^warn: .*broken was refused/m)
    assert.match(stderr, /^warn: gone was refused: .*Install gone anew/m)
  })

  test('one of a stranger takes part, with its options in help and its secrets nowhere', async () => {
    const data = join(scratch, 'personal')
    const plugin = join(scratch, 'vault')
    for (const directory of [data, plugin]) mkdirSync(directory)
    const listed = { oclif: { plugins: [{ name: 'vault', type: 'link', root: plugin }] } }
    writeFileSync(join(data, 'package.json'), JSON.stringify(listed))
    const manifest = {
      name: 'vault',
      version: '1.0.0',
      type: 'module',
      exports: { '.': { types: './x.d.ts', import: './plugin.js' } },
      oclif: {},
      freezer: { api: '1.0', provides: { storage: ['vault'] } },
    }
    writeFileSync(join(plugin, 'package.json'), JSON.stringify(manifest))
    writeFileSync(
      join(plugin, 'plugin.js'),
      `export default { storages: [{
        name: 'vault', description: '', options: {
          shelf: { type: 'integer', required: true, help: 'Which shelf' },
          vaultPassword: { type: 'string', secret: true, help: 'Password' },
        },
        async open({ shelf, vaultPassword }) {
          if (vaultPassword !== 'open sesame') throw new Error('locked')
          return { put: async () => {}, remove: async () => {}, async *list() {}, async *get(key) {
            if (key === 'freezer') return yield Buffer.from('{"format":"freezer container","version":1}')
            throw Object.assign(new Error('none'), { [Symbol.for('freezer.failure')]: true, code: 'not-found' })
          } }
        },
      }] }`,
    )
    const environment = { FREEZER_DATA_DIR: data, FREEZER_STORAGE: 'vault' }
    const help = await freezer(['list', '--help'], environment)
    assert.match(help.stdout, /^STORAGE VAULT FLAGS\n +--shelf=N/m)
    assert.doesNotMatch(help.stdout, /vault-password/)
    const flag = await freezer(['list', '--shelf', '1', '--vault-password', 'open sesame'], environment)
    assert.equal(flag.status, 2)
    assert.match(flag.stderr, /no option --vault-password.*FREEZER_VAULT_PASSWORD/)
    assert.doesNotMatch(flag.stderr, /sesame/)
    const open = { ...environment, FREEZER_VAULT_PASSWORD: 'open sesame' }
    const list = await freezer(['list', '--shelf', '1'], open)
    assert.equal(list.stdout, 'No backups.\n', list.stderr)
  })
})

suite('starting', () => {
  const old = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => existsSync(node))

  test('an old Node gets a sentence, or hands over to the Node of the checkout', {
    skip: old === undefined,
  }, async () => {
    const { spawnSync } = await import('node:child_process')
    const alone = join(scratch, 'alone')
    cpSync(join(program, '..'), join(alone, 'bin'), { recursive: true })
    writeFileSync(join(alone, 'package.json'), '{"type":"module"}')
    const fresh = Number(spawnSync(old ?? '', ['-p', 'parseInt(process.versions.node)']).stdout) >= 24
    const without = spawnSync(old ?? '', [join(alone, 'bin', 'freezer.js')], { encoding: 'utf8' })
    if (!fresh) {
      assert.equal(without.status, 2)
      assert.match(without.stderr, /^freezer: Freezer needs Node 24\.12 or newer; this is Node \d+/)
    }
    const link = join(scratch, 'freezer')
    symlinkSync(program, link)
    const within = spawnSync(old ?? '', [link, 'list'], { encoding: 'utf8' })
    assert.equal(within.status, 2)
    assert.match(within.stderr, /--container is required/)
    rmSync(link)
  })
})
