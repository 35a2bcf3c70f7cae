import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { flags } from '../src/agent/flags.ts'
import { translate } from '../src/agent/translate.ts'
import { type Ended, scratchDirectory } from './support.ts'

const program = fileURLToPath(new URL('../bin/freezer-agent.js', import.meta.url))
const scratch = scratchDirectory()
const tree = join(scratch, 'tree')
mkdirSync(tree)
writeFileSync(join(tree, 'file'), 'content\n')
writeFileSync(join(tree, 'a.lock'), 'locked\n')

function agent(args: readonly string[], environment: Record<string, string> = {}, cwd = scratch): Ended {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', ...environment }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env,
    cwd,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

let containers = 0
const fresh = () => join(scratch, `container-${containers++}`)
const local = (container: string) => ['--storage', 'local', '-C', container, '-N', 'name']

function succeeded(ended: Ended): Ended {
  assert.equal(ended.status, 0, ended.stderr)
  return ended
}

/** Levels, in their order, of all backups of a container. */
function levels(container: string): number[] {
  const listed = succeeded(agent(['--action', 'info', '-l', '--storage', 'local', '-C', container, '--json']))
  return JSON.parse(listed.stdout).backups.map(({ level }: { level: number }) => level)
}

function codecs(container: string): string[][] {
  const listed = succeeded(agent(['--action', 'info', '-l', '--storage', 'local', '-C', container, '--json']))
  return JSON.parse(listed.stdout).backups.map((one: { codecs: string[] }) => one.codecs)
}

suite('freezer-agent', () => {
  test('flags in every spelling mean the same', () => {
    const spellings = [
      ['--path-to-backup', tree, '--backup-name', 'name', '--container', '@', '--storage', 'local'],
      ['--path_to_backup', tree, '--backup_name', 'name', '--container=@', '--storage=local'],
      ['-F', tree, '-N', 'name', '-C', '@', '--storage', 'local', '--action=backup', '-m', 'fs', '-e', 'tar'],
      [
        `-F${tree}`,
        '-Nname',
        '-C=@',
        '--storage',
        'local',
        '--nosync',
        '--no-overwrite',
        '--no_dry_run',
        '-q',
      ],
      ['--file-to-backup', `${tree}  `, '-N', 'name', '-C', '@', '--storage', 'local', '-M', '1048576'],
    ]
    for (const words of spellings) {
      const container = fresh()
      succeeded(agent(words.map((word) => word.replace('@', container))))
      assert.deepEqual(levels(container), [0])
    }
  })

  test('an unknown flag is refused with the nearest name, and so is every value that is none', () => {
    const cases: [string[], RegExp][] = [
      [['--backup-nam', 'x'], /There is no option --backup-nam\. Perhaps --backup-name is meant/],
      [['--restore_abs_pat', 'x'], /Perhaps --restore-abs-path is meant/],
      [['-Z'], /There is no option -Z/],
      [['--action', 'bogus'], /There is no action "bogus"/],
      [['--upload-limit', 'fast', ...local(fresh()), '-F', tree], /--upload-limit: "fast" is not a size/],
      [['--max-level', 'x', ...local(fresh()), '-F', tree], /--max-level: "x" is not a whole number/],
      [['--container'], /--container needs a value/],
      [['-F', tree, 'stray'], /Unexpected argument: stray/],
      [['--action', 'restore', ...local(fresh())], /--restore-abs-path is required for --action restore/],
      [
        ['--action', 'admin', ...local(fresh())],
        /--action admin needs --remove-older-than or --remove-from-date/,
      ],
      [['--action', 'exec'], /--command is required/],
      [[], /--path-to-backup is required for --action backup/],
      [['--config', '/nowhere.ini'], /nowhere\.ini/],
    ]
    for (const [args, words] of cases) {
      const { status, stderr, stdout } = agent(args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, words)
      assert.equal(stdout, '')
    }
  })

  test('what a flag cannot mean here is a warning that says why', () => {
    const container = fresh()
    const { stderr } = succeeded(
      agent([
        ...local(container),
        '-F',
        tree,
        '--consistency-check',
        '--os-identity-api-version',
        '3',
        '--engine',
        'rsync',
        '-R',
        '30',
      ]),
    )
    assert.match(stderr, /^warn: --consistency-check changes nothing: every backup has digests/m)
    assert.match(stderr, /^warn: --os-identity-api-version changes nothing: Keystone v3/m)
    assert.match(stderr, /^warn: --engine: the engine tar is used/m)
    assert.match(stderr, /^warn: -R is for --action admin, and nothing is removed now/m)
  })

  test('every flag is accepted or refused, none is unknown', () => {
    const known = { option: () => ({}), providers: () => [], environment: {} }
    const context = ['--storage', 'local', '-F', tree, '-N', 'name']
    for (const [name, { takes, meaning }] of Object.entries(flags)) {
      const word = `--${name}${takes === 'nothing' ? '' : '=1'}`
      if ('refused' in meaning) {
        assert.throws(
          () => translate([...context, word], known),
          { code: 'usage', message: / is refused: / },
          name,
        )
      } else if ('ignored' in meaning) {
        const { warnings } = translate([...context, word], known)
        assert.deepEqual(warnings, [`--${name} changes nothing: ${meaning.ignored}.`])
        assert.deepEqual(translate([...context, `--${name}=None`], known).warnings, [])
      }
    }
    const { stdout } = succeeded(agent(['--help']))
    for (const name of Object.keys(flags)) assert.ok(stdout.includes(`--${name}`), name)
  })

  test('the command line wins over the ini file, and numbers of the file are numbers', () => {
    const container = fresh()
    const ini = join(scratch, 'job.ini')
    writeFileSync(
      ini,
      `[default]
action = backup
[job of the scheduler]
mode = fs
path_to_backup = ${tree}
backup_name = fromini
container = ${container}
storage = local
max_level = 2
upload-limit = -1
download_limit = None
exclude = *.lock
dry_run = False
log_file = ${scratch}/agent 100%%.log
os_auth_ver = 3
remove_older_than = 30
`,
    )
    for (let run = 0; run < 4; run++) succeeded(agent(['--config', ini, '--backup-name', 'fromcli']))
    assert.deepEqual(levels(container), [0, 1, 2, 0])
    assert.match(
      readFileSync(join(scratch, 'agent 100%.log'), 'utf8'),
      /INFO backup: Backed up: +fromcli of /,
    )
    const out = join(scratch, 'from-ini')
    succeeded(agent(['--config', ini, '--action', 'restore', '-N', 'fromcli', '--restore-abs-path', out]))
    assert.deepEqual(readdirSync(out), ['file'])
    // One contradicts another: what was said on the command line holds.
    succeeded(agent(['--config', ini, '--always-level', '1']))
    writeFileSync(ini, 'max_levle = 3\n')
    const { status, stderr } = agent(['--config', ini, ...local(container), '-F', tree])
    assert.equal(status, 2)
    assert.match(stderr, /job\.ini line 1: there is no option max_levle\. Perhaps max_level is meant/)
  })

  test('--config-file, --config-dir and the ini file of --config, the last of which wins', () => {
    const directory = join(scratch, 'conf.d')
    mkdirSync(directory)
    const container = fresh()
    writeFileSync(
      join(directory, '10.conf'),
      `[DEFAULT]\ncontainer = ${container}\nstorage = ftp\nbackup_name = dir\n`,
    )
    writeFileSync(join(directory, 'not-one.txt'), 'nonsense')
    writeFileSync(join(scratch, 'one.conf'), 'backup_name = file\nstorage = local\n')
    writeFileSync(join(scratch, 'last.ini'), 'backup_name = ini\n')
    const all = ['--config-dir', directory, '--config-file', join(scratch, 'one.conf'), '-F', tree]
    const { stdout } = succeeded(
      agent([...all, '--config', join(scratch, 'last.ini'), '--metadata-out', '-']),
    )
    assert.equal(JSON.parse(stdout).backup_name, 'ini')
    assert.equal(JSON.parse(succeeded(agent([...all, '--metadata-out', '-'])).stdout).backup_name, 'file')
  })

  test('metadata has the old members, and the true level', () => {
    const container = fresh()
    const elsewhere = join(scratch, 'elsewhere')
    mkdirSync(elsewhere)
    const args = [
      ...local(container),
      '-F',
      tree,
      '--max-level',
      '2',
      '--hostname',
      'host1',
      '--metadata-out',
    ]
    const before = Math.floor(Date.now() / 1000)
    succeeded(agent([...args, 'meta.json'], {}, elsewhere))
    const first = JSON.parse(readFileSync(join(elsewhere, 'meta.json'), 'utf8'))
    assert.deepEqual(
      Object.keys(first),
      (
        'curr_backup_level fs_real_path vol_snap_path client_os client_version time_stamp action always_level ' +
        'backup_media backup_name container container_segments dry_run hostname path_to_backup max_level mode log_file ' +
        'storage proxy compression ssh_key ssh_username ssh_host ssh_port consistency_checksum'
      ).split(' '),
    )
    assert.equal(first.curr_backup_level, 0)
    assert.ok(first.time_stamp >= before && first.time_stamp <= Date.now() / 1000)
    const { stdout } = succeeded(agent([...args, '-']))
    const { curr_backup_level: level, time_stamp: time, ...rest } = JSON.parse(stdout)
    assert.equal(level, 1)
    assert.ok(time >= first.time_stamp)
    assert.deepEqual([rest.max_level, rest.always_level, rest.ssh_port, rest.dry_run], [2, '', 22, ''])
    assert.deepEqual([rest.hostname, rest.container, rest.mode], ['host1', container, 'fs'])
  })

  test('metadata that cannot be written fails the run, and the backup stands', () => {
    const container = fresh()
    const { status } = agent([
      ...local(container),
      '-F',
      tree,
      '--metadata-out',
      join(scratch, 'no', 'where'),
    ])
    assert.equal(status, 4)
    assert.deepEqual(levels(container), [0])
  })

  test('a dry run writes nothing', () => {
    const container = fresh()
    succeeded(agent([...local(container), '-F', tree, '--dry-run', '--metadata-out', '-']))
    assert.ok(!existsSync(container))
  })

  test('levels: incremental unless said otherwise, in each of the ways in which it was said', () => {
    const ini = join(scratch, 'full.ini')
    for (const full of [
      ['--no-incremental'],
      ['--no-incremental', 'true'],
      ['--noincremental'],
      ['--incremental=false'],
      ['--config', ini],
    ]) {
      const container = fresh()
      writeFileSync(ini, 'incremental = False\n')
      for (let run = 0; run < 2; run++) succeeded(agent([...local(container), '-F', tree, ...full]))
      assert.deepEqual(levels(container), [0, 0], full.join(' '))
    }
    for (const more of [
      [],
      ['--incremental'],
      ['--no-incremental', 'false'],
      ['--incremental', '--max-level', '5'],
    ]) {
      const container = fresh()
      for (let run = 0; run < 2; run++) succeeded(agent([...local(container), '-F', tree, ...more]))
      assert.deepEqual(levels(container), [0, 1], more.join(' '))
    }
    const container = fresh()
    for (let run = 0; run < 3; run++)
      succeeded(agent([...local(container), '-F', tree, '--always-level', '1']))
    assert.deepEqual(levels(container), [0, 1, 1])
  })

  test('admin removes what is old, never what a kept backup builds on, and of this name and host alone', () => {
    const container = fresh()
    const backup = (...more: string[]) => succeeded(agent([...local(container), '-F', tree, ...more]))
    backup()
    backup()
    backup('--hostname', 'other', '--no-incremental')
    backup('--hostname', 'other', '--no-incremental')
    succeeded(agent(['--action', 'admin', ...local(container), '--remove-older-than', '0']))
    assert.deepEqual(levels(container).length, 4)
    succeeded(agent(['--action', 'admin', ...local(container), '-R', '0', '--hostname', 'other']))
    assert.deepEqual(levels(container), [0, 1, 0])
    succeeded(agent(['--action', 'admin', ...local(container), '--remove-from-date', '2999-01-01T00:00:00']))
    assert.deepEqual(levels(container), [0])
  })

  test('restore: a directory that is not empty needs --overwrite, which also deletes', () => {
    const container = fresh()
    const out = join(scratch, 'restored')
    mkdirSync(out)
    writeFileSync(join(out, 'stranger'), '')
    succeeded(agent([...local(container), '-F', tree, '--hostname', 'h']))
    const restore = [
      '--action',
      'restore',
      ...local(container),
      '--restore-from-host',
      'h',
      '--restore-abs-path',
      out,
    ]
    assert.equal(agent(restore).status, 5)
    assert.deepEqual(readdirSync(out), ['stranger'])
    succeeded(agent([...restore, '--overwrite', '--exclude', 'file']))
    assert.deepEqual(readdirSync(out).sort(), ['a.lock', 'file'])
    assert.equal(agent([...restore, '--overwrite', '--restore-from-date', '2014-05-23T23:23:23']).status, 4)
  })

  test('compression and encryption as they were, by a line of the ini file', () => {
    const container = fresh()
    const ini = join(scratch, 'old-ways.ini')
    const pass = join(scratch, 'pass')
    writeFileSync(pass, 'correct-horse-battery\n')
    writeFileSync(ini, `compression = gzip\nencryption = aes-256-cfb\nencrypt_pass_file = ${pass}\n`)
    const args = [...local(container), '--encrypt-pass-file', pass]
    succeeded(agent([...args, '-F', tree, '--config', ini]))
    succeeded(agent([...args, '-F', tree, '--no-incremental']))
    const listed = succeeded(
      agent([
        '--action',
        'info',
        '-l',
        '--storage',
        'local',
        '-C',
        container,
        '--encrypt-pass-file',
        pass,
        '--json',
      ]),
    )
    assert.deepEqual(
      JSON.parse(listed.stdout).backups.map((one: { codecs: string[] }) => one.codecs),
      [
        ['gzip', 'aes-256-cfb'],
        ['zstd', 'aes-256-gcm'],
      ],
    )
    const plain = fresh()
    succeeded(agent([...local(plain), '-F', tree, '--compression', 'bzip2']))
    assert.deepEqual(codecs(plain), [['bzip2']])
  })

  test('Swift is what is meant where no storage is named', () => {
    const { status, stderr } = agent(['-F', tree, '-N', 'name'])
    assert.equal(status, 2)
    assert.match(stderr, /OS_AUTH_URL/)
    assert.ok(!existsSync(join(scratch, 'freezer_backups')))
    const container = fresh()
    succeeded(agent(['-F', tree, '-N', 'name'], { FREEZER_STORAGE: 'local', FREEZER_CONTAINER: container }))
    assert.deepEqual(levels(container), [0])
  })

  test('options that only freezer has are taken too', () => {
    const container = fresh()
    const { stdout } = succeeded(
      agent([...local(container), '-F', tree, '--json', '--zstd-level', '9', '--keep-last=1']),
    )
    assert.equal(JSON.parse(stdout).level, 0)
    assert.equal(agent([...local(container), '-F', tree, '--workers', 'x']).status, 2)
  })

  test('a secret on the command line works, and is warned of', () => {
    const { status, stderr } = agent([
      '-F',
      tree,
      '-N',
      'n',
      '--storage',
      'ssh',
      '-C',
      'c',
      '--ssh-host',
      '127.0.0.1',
      '--ssh-port',
      '1',
      '--ssh-password',
      'hunter2',
      '--retries',
      '0',
    ])
    assert.equal(status, 9)
    assert.match(stderr, /--ssh-password shows a secret to everybody/)
    assert.doesNotMatch(stderr, /hunter2/)
  })

  suite('exec', () => {
    test('runs programs, each of which reads what the one before writes, without a shell', () => {
      const { stdout } = succeeded(
        agent(['--action', 'exec', '--command', `printf '%s\\n' 'a|b' '$HOME' | sort -r|cat -n`]),
      )
      assert.deepEqual(stdout.split('\n'), ['     1\ta|b', '     2\t$HOME', ''])
    })
    test('the status of the last is what counts', () => {
      const failed = agent(['--action', 'exec', '--command', 'true | false'])
      assert.equal(failed.status, 18)
      assert.match(failed.stderr, /^freezer: false ended with 1\.$/m)
      assert.match(
        succeeded(agent(['--action', 'exec', '--command', 'false | true'])).stderr,
        /^warn: false ended with 1/m,
      )
      assert.equal(agent(['--action', 'exec', '--command', 'no-such-program-here']).status, 18)
      assert.equal(agent(['--action', 'exec', '--command', 'a && b']).status, 2)
    })
    test('one that reads no more ends the one before it', () => {
      const { stdout } = succeeded(agent(['--action', 'exec', '--command', 'yes | head -n 1']))
      assert.equal(stdout, 'y\n')
    })
  })

  test('help and version', () => {
    assert.match(succeeded(agent(['--help'])).stdout, /USAGE\n +\$ freezer-agent /)
    assert.match(succeeded(agent(['-V'])).stdout, /^\d+\.\d+\.\d+\n$/)
  })

  test('--max-priority raises what it can, and warns of what it cannot', () => {
    const container = fresh()
    const { stderr } = succeeded(
      agent([
        ...local(container),
        '-F',
        tree,
        '--max-priority',
        '--sync',
        '--after',
        `sh -c 'ps -o ni= -p $PPID > ${scratch}/nice'`,
      ]),
    )
    const nice = readFileSync(join(scratch, 'nice'), 'utf8').trim()
    if (process.getuid?.() === 0) assert.equal(nice, '-20', stderr)
    else assert.match(stderr, /^warn: --max-priority: /m)
    const lame = succeeded(
      agent([...local(container), '-F', tree, '--max-priority', '--sync'], { PATH: scratch }),
    )
    assert.match(lame.stderr, /^warn: --max-priority: the class for disks stays as it is/m)
    assert.match(lame.stderr, /^warn: --sync: /m)
  })

  test('it is started by a link of its name, as npm makes them', () => {
    const link = join(scratch, 'freezer-agent')
    symlinkSync(program, link)
    const { status, stdout } = spawnSync(process.execPath, [link, '--version'], { encoding: 'utf8' })
    assert.equal(status, 0)
    assert.match(stdout, /^\d/)
  })
})
