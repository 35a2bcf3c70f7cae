import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { before, suite, test } from 'node:test'
import type { ContainerStatus, RunReport } from '@freezer/sdk'
import { readExposition } from './prometheus.ts'
import { freezer, scratchDirectory, startFreezer } from './support.ts'

const scratch = scratchDirectory()
const tree = join(scratch, 'tree')
const container = join(scratch, 'container')
const target = ['--container', container, '--backup-name', 'tree']
mkdirSync(tree)
writeFileSync(join(tree, 'file'), 'content\n')

before(async () => {
  assert.equal((await freezer(['backup', tree, ...target])).status, 0)
})

let containers = 0

/** A container of its own, with a backup of each of these names; `damage` changes the manifest of each. */
async function containerWith(
  names: readonly string[],
  change?: (manifest: Record<string, unknown>) => void,
): Promise<string> {
  const directory = join(scratch, `container-${containers++}`)
  for (const name of names) {
    const { status, stderr } = await freezer(['backup', tree, '--container', directory, '-N', name])
    assert.equal(status, 0, stderr)
  }
  if (change === undefined) return directory
  const manifests = join(directory, 'manifests')
  for (const file of readdirSync(manifests, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    const manifest = JSON.parse(readFileSync(path, 'utf8').split('\n')[1] ?? '')
    change(manifest)
    const text = JSON.stringify(manifest)
    const digest = createHash('sha256')
      .update(`${relative(directory, path)}\n${text}`)
      .digest('hex')
    writeFileSync(path, `freezer manifest 1 plain ${digest}\n${text}`)
  }
  return directory
}

suite('status', () => {
  test('shows the newest backup of each name, and judges nothing without an age', async () => {
    const { status, stdout, stderr } = await freezer(['status', '--container', container])
    assert.equal(stderr, '')
    assert.equal(status, 0)
    const [head, row, ...more] = stdout.trimEnd().split('\n')
    assert.match(head ?? '', /^NAME +HOST +BACKUPS +NEWEST +LEVEL +TIME +AGE +STATE$/)
    assert.match(row ?? '', /^tree +\S+ +1 +[0-9a-f]{8} +0 +20\d\d-\S+ +\d+s +complete$/)
    assert.deepEqual(more, [])
  })

  test('fresh and complete is 0; as JSON it is one object', async () => {
    const { status, stdout } = await freezer([
      'status',
      '--container',
      container,
      '--max-age',
      '1d12h',
      '--json',
    ])
    assert.equal(status, 0)
    const { names, damaged, maxAge } = JSON.parse(stdout) as ContainerStatus
    assert.equal(maxAge, 36 * 3600)
    assert.deepEqual(damaged, [])
    const [one] = names
    assert.deepEqual([one?.name, one?.host, one?.backups], ['tree', hostname(), 1])
    assert.deepEqual([one?.fresh, one?.complete, one?.newest.entries], [true, true, 2])
    assert.ok(one !== undefined && one.age >= 0 && one.age < 300)
  })

  test('too old is 15, and says which', async () => {
    const both = await containerWith(['a', 'b'])
    for (const json of [[], ['--json']]) {
      const { status, stdout, stderr } = await freezer([
        'status',
        '--container',
        both,
        '--max-age',
        '0s',
        ...json,
      ])
      assert.equal(status, 15)
      if (json.length > 0) assert.equal(JSON.parse(stdout).failure.code, 'stale')
      else {
        assert.match(stdout, /^a .*stale, complete\nb .*stale, complete$/m)
        assert.match(stderr, /^freezer: Not backed up within 0s: a of \S+, b of /)
      }
    }
  })

  test('with files that could not be read it is 3, with files that changed it is 0', async () => {
    const lacking = await containerWith(['a', 'b'], (manifest) => {
      manifest.unread = manifest.name === 'a' ? 4 : 0
      manifest.changed = 2
    })
    const age = ['--max-age', '26h']
    const { status, stdout, stderr } = await freezer(['status', '--container', lacking, ...age])
    assert.equal(status, 3)
    assert.match(stdout, /^a .*fresh, incomplete \(4 unread\), 2 changed$/m)
    assert.match(stdout, /^b .*fresh, complete, 2 changed$/m)
    assert.match(stderr, /could not be read: a of /)
    assert.equal((await freezer(['status', '--container', lacking, '-N', 'b', ...age])).status, 0)
    assert.equal((await freezer(['status', '--container', lacking])).status, 0)
  })

  test('nothing there is 4: no such name, no such host, no container, nothing in it', async () => {
    const empty = join(scratch, 'empty')
    mkdirSync(empty)
    writeFileSync(join(empty, 'freezer'), '{"format":"freezer container","version":1}\n')
    const cases: [string[], number, RegExp][] = [
      [['--container', container, '-N', 'none'], 4, /no backup "none" in/],
      [['--container', container, '-N', 'none', '--max-age', '1d'], 4, /no backup "none" in/],
      [['--container', container, '-N', 'tree', '--hostname', 'none'], 4, /no backup "tree" of host "none"/],
      [['--container', container, '--hostname', 'none', '--max-age', '1d'], 4, /no backup of host "none"/],
      [['--container', join(scratch, 'nowhere')], 4, /no container/],
      [['--container', empty, '--max-age', '1d'], 4, /no backup in this container/],
      [['--container', empty], 0, /^$/],
    ]
    for (const [args, wanted, words] of cases) {
      const { status, stderr } = await freezer(['status', ...args])
      assert.equal(status, wanted, args.join(' '))
      assert.match(stderr, words)
    }
  })

  test('a damaged manifest is 6, whatever else there is', async () => {
    const damaged = await containerWith(['a', 'b', 'a'])
    const group = join(damaged, 'manifests', 'plain', hostname(), 'a')
    const newest = readdirSync(group).sort().at(-1) ?? assert.fail()
    writeFileSync(join(group, newest), 'rubbish')
    for (const age of [[], ['--max-age', '26h'], ['--max-age', '0s']]) {
      const { status, stdout, stderr } = await freezer(['status', '--container', damaged, ...age])
      assert.equal(status, 6, stderr)
      assert.match(stdout, /^a .* 2 /m)
      assert.match(stdout, new RegExp(`^Damaged: manifests/plain/.*/${newest}: `, 'm'))
    }
  })

  test('an age without a unit is refused', async () => {
    const { status, stderr } = await freezer(['status', '--container', container, '--max-age', '26'])
    assert.equal(status, 2)
    assert.match(stderr, /--max-age: "26" is not a duration; write one like/)
  })
})

/** The value of a metric of a file, by its labels apart from `storage`. */
function figure(file: string, name: string, labels: Record<string, string>): number | undefined {
  const wanted = JSON.stringify(Object.entries({ ...labels, storage: 'local' }).sort())
  const samples = readExposition(readFileSync(file)).get(name)?.samples ?? []
  return samples.find((one) => JSON.stringify(Object.entries(one.labels).sort()) === wanted)?.value
}

suite('a metrics file', () => {
  const file = join(scratch, 'tree.prom')
  const odd = 'tr"ee\\ \u2028é'
  const named = ['--container', container, '-N', odd, '--metrics-file', file]
  const labels = { backup_name: odd, host: hostname() }
  const run = { ...labels, command: 'backup' }
  const success = 'freezer_backup_last_success_timestamp_seconds'

  test('has the figures of a backup, of one that fails, and then still those of the success', async () => {
    const start = Date.now() / 1000
    assert.equal((await freezer(['backup', tree, ...named])).status, 0)
    const first = figure(file, success, labels) ?? 0
    assert.ok(first >= start - 1 && first <= Date.now() / 1000)
    assert.equal(figure(file, 'freezer_backup_entries', labels), 2)
    assert.equal(figure(file, 'freezer_backup_size_bytes', labels), 8)
    assert.equal(figure(file, 'freezer_backup_level', labels), 0)
    assert.equal(figure(file, 'freezer_last_run_exit_status', run), 0)

    const failed = await freezer(['backup', join(scratch, 'no-tree'), ...named, '--json'])
    assert.equal(failed.status, 4)
    assert.equal(figure(file, success, labels), first)
    assert.equal(figure(file, 'freezer_last_run_exit_status', run), 4)
    const ran = figure(file, 'freezer_last_run_timestamp_seconds', run) ?? 0
    assert.ok(ran > first)

    assert.equal((await freezer(['backup', tree, ...named])).status, 0)
    assert.ok((figure(file, success, labels) ?? 0) > first)
    assert.equal(figure(file, 'freezer_backup_level', labels), 1)
    assert.equal(figure(file, 'freezer_last_run_exit_status', run), 0)
  })

  test('has those of a restore and of a status too', async () => {
    assert.equal((await freezer(['restore', join(scratch, 'restored'), ...named])).status, 0)
    assert.equal(figure(file, 'freezer_restore_entries', labels), 2)
    assert.equal(figure(file, 'freezer_last_run_exit_status', { ...labels, command: 'restore' }), 0)
    const args = ['status', '--container', container, '--metrics-file', file]
    assert.equal((await freezer([...args, '--max-age', '26h'])).status, 0)
    assert.equal(figure(file, 'freezer_status_fresh', labels), 1)
    assert.equal(figure(file, 'freezer_status_fresh', { ...labels, backup_name: 'tree' }), 1)
    assert.equal(figure(file, 'freezer_status_backups', labels), 2)
    assert.equal((await freezer([...args, '--max-age', '0s'])).status, 15)
    assert.equal(figure(file, 'freezer_status_fresh', labels), 0)
    assert.equal(figure(file, 'freezer_last_run_exit_status', { command: 'status' }), 15)
    assert.equal(figure(file, 'freezer_backup_level', labels), 1)
  })

  test('is not touched by a dry run', async () => {
    const none = join(scratch, 'dry.prom')
    const { status } = await freezer(['backup', tree, ...target, '--dry-run', '--metrics-file', none])
    assert.equal(status, 0)
    assert.equal(existsSync(none), false)
  })

  test('that cannot be written is told, also when all else is quiet, and the backup is as good', async () => {
    const other = join(scratch, 'precious')
    writeFileSync(other, 'precious\n')
    const where = { [other]: /holds more than figures/, [join(scratch, 'none', 'x')]: /ENOENT/ }
    for (const [path, words] of Object.entries(where)) {
      const args = ['backup', tree, ...target, '--metrics-file', path]
      const quiet = await freezer([...args, '--quiet'])
      assert.deepEqual([quiet.status, quiet.stdout], [0, ''])
      assert.match(quiet.stderr, words)
      const json = await freezer([...args, '--json', '--no-progress'])
      assert.equal(json.status, 0)
      assert.equal(JSON.parse(json.stdout).name, 'tree')
      const event = JSON.parse(json.stderr)
      assert.deepEqual([event.type, event.level], ['log', 'warn'])
    }
    assert.equal(readFileSync(other, 'utf8'), 'precious\n')
  })
})

interface Received {
  readonly report: RunReport
  readonly authorization: string | undefined
}

const secret = 'T0pSecretPath'

/** A server that keeps the reports that it gets, and answers each with `status`, or never. */
async function listen(
  status: number | undefined,
  tls?: { key: string; cert: string },
): Promise<AsyncDisposable & { url: string; received: Received[] }> {
  const received: Received[] = []
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const report = JSON.parse(Buffer.concat(chunks).toString('utf8')) as RunReport
    received.push({ report, authorization: request.headers.authorization })
    if (status !== undefined) response.writeHead(status).end()
  }
  const server = tls === undefined ? http.createServer(handle) : https.createServer(tls, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/${secret}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A plugin of a stranger: notifiers that break their promises, and a storage that never opens. */
function strangers(): Record<string, string> {
  const data = join(scratch, 'data')
  const plugin = join(scratch, 'stranger')
  for (const directory of [data, plugin]) mkdirSync(directory)
  const listed = { oclif: { plugins: [{ name: 'stranger', type: 'link', root: plugin }] } }
  writeFileSync(join(data, 'package.json'), JSON.stringify(listed))
  const provides = { notifier: ['defect', 'endless', 'scribe'], storage: ['mire'] }
  writeFileSync(
    join(plugin, 'package.json'),
    JSON.stringify({
      name: 'stranger',
      version: '1.0.0',
      type: 'module',
      exports: './plugin.js',
      oclif: {},
      freezer: { api: '1.1', provides },
    }),
  )
  writeFileSync(
    join(plugin, 'plugin.js'),
    `import { writeFileSync } from 'node:fs'
    const pin = { type: 'string', secret: true, help: 'Hush' }
    const fail = async (_, { defectPin }) => { throw new TypeError('wrong ' + defectPin) }
    export default {
      notifiers: [
        { name: 'defect', description: '', options: { defectPin: pin }, notify: fail },
        { name: 'endless', description: '', options: {}, notify: () => new Promise(() => {}) },
        { name: 'scribe', description: '', options: { scribeFile: { type: 'path', help: 'Where' } },
          notify: async (report, { scribeFile }) => writeFileSync(scribeFile, JSON.stringify(report)) },
      ],
      storages: [{ name: 'mire', description: '', options: {}, open: (_, { signal, report }) => {
        report({ type: 'log', level: 'warn', message: 'sinking' })
        setInterval(() => {}, 1000)
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      } }],
    }`,
  )
  return { FREEZER_DATA_DIR: data }
}

suite('a notifier', () => {
  const environment = strangers()

  test('is told of a success, with figures and without secrets', async () => {
    await using server = await listen(200)
    const ini = join(scratch, 'hook.ini')
    const token = join(scratch, 'token')
    writeFileSync(token, 'hunter2\n')
    writeFileSync(ini, `webhook_url = ${server.url}\nwebhook_token_file = ${token}\nnotify = webhook\n`)
    const started = Date.now()
    const ended = await freezer(['backup', tree, ...target, '--config', ini, '--debug'])
    assert.equal(ended.status, 0)
    assert.doesNotMatch(ended.stdout + ended.stderr, /T0pSecret|hunter2/)
    assert.equal(server.received.length, 1)
    const [{ report, authorization } = assert.fail()] = server.received
    assert.equal(authorization, 'Bearer hunter2')
    assert.doesNotMatch(JSON.stringify(report), /T0pSecret|hunter2/)
    const { run, started: from, ended: to, seconds, backups, ...rest } = report
    assert.deepEqual(rest, {
      command: 'backup',
      machine: hostname(),
      storage: 'local',
      name: 'tree',
      host: hostname(),
      outcome: 'success',
      exitStatus: 0,
    })
    assert.match(run, /^[0-9a-f]{8}-/)
    assert.ok(Date.parse(from) >= started && Date.parse(to) <= Date.now() && seconds >= 0)
    const [backup] = backups ?? []
    assert.equal(backup?.name, 'tree')
    assert.deepEqual([backup?.facts.entries, backup?.facts.bytes, backup?.facts.unread], [2, 8, 0])
    assert.match(String(backup?.facts.id), /^[0-9a-f]{32}$/)
    // The same file serves commands that tell nobody.
    assert.equal((await freezer(['list', '--container', container, '--config', ini])).status, 0)
  })

  test('is told of a failure, of a status and of what it is about, several of them at once', async () => {
    await using server = await listen(204)
    const file = join(scratch, 'scribe')
    const more = { ...environment, FREEZER_WEBHOOK_URL: server.url, FREEZER_SCRIBE_FILE: file }
    const both = ['--notify', 'webhook', '--notify=scribe', '--notify', 'webhook']
    const failed = await freezer(['backup', join(scratch, 'no-tree'), ...target, ...both], more)
    assert.equal(failed.status, 4)
    const stale = await freezer(['status', '--container', container, '--max-age', '0s', ...both], more)
    assert.equal(stale.status, 15)
    const lacking = await containerWith(['a'], (manifest) => {
      manifest.unread = 1
    })
    const incomplete = await freezer(['status', '--container', lacking, '--max-age', '1d', ...both], more)
    assert.equal(incomplete.status, 3)
    const reports = server.received.map(({ report }) => report)
    assert.deepEqual(
      reports.map(({ command, outcome, exitStatus, failure }) => [
        command,
        outcome,
        exitStatus,
        failure?.code,
      ]),
      [
        ['backup', 'failure', 4, 'not-found'],
        ['status', 'failure', 15, 'stale'],
        ['status', 'warnings', 3, 'incomplete'],
      ],
    )
    assert.equal(reports[0]?.backups, undefined)
    assert.equal(reports[0]?.name, 'tree')
    assert.equal(reports[1]?.name, undefined)
    assert.equal(reports[1]?.backups?.[0]?.facts.fresh, false)
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), reports[2])
  })

  test('is told of an interruption, and the metrics file knows of it too', async () => {
    await using server = await listen(200)
    const file = join(scratch, 'mire.prom')
    const more = { ...environment, FREEZER_WEBHOOK_URL: server.url }
    const args = [
      'backup',
      tree,
      '-N',
      'tree',
      '--storage',
      'mire',
      '--notify',
      'webhook',
      '--metrics-file',
      file,
    ]
    const { child, ended } = startFreezer(args, more)
    child.stderr?.on('data', (text: string) => {
      if (text.includes('sinking')) child.kill('SIGINT')
    })
    assert.equal((await ended).status, 130)
    const [{ report } = assert.fail()] = server.received
    assert.deepEqual(
      [report.outcome, report.exitStatus, report.failure?.code],
      ['failure', 130, 'interrupted'],
    )
    const samples = readExposition(readFileSync(file)).get('freezer_last_run_exit_status')?.samples
    assert.equal(samples?.[0]?.value, 130)
  })

  test('that fails is a warning, and changes nothing', async () => {
    await using refusing = await listen(403)
    const more = { ...environment, FREEZER_WEBHOOK_URL: refusing.url, FREEZER_DEFECT_PIN: 'hunter2' }
    const args = [
      'backup',
      tree,
      ...target,
      '--notify',
      'webhook',
      '--notify',
      'defect',
      '--quiet',
      '--debug',
    ]
    const { status, stdout, stderr } = await freezer(args, more)
    assert.equal(status, 0)
    assert.equal(stdout, '')
    assert.match(stderr, /^warn: The notifier webhook failed: The webhook answered 403\./m)
    assert.match(stderr, /^warn: The notifier defect failed: TypeError\.$/m)
    assert.equal(stderr.trimEnd().split('\n').length, 2)
    assert.doesNotMatch(stderr, /T0pSecret|hunter2|127\.0\.0\.1/)
    assert.equal(refusing.received.length, 1)
  })

  test('that never ends is left behind after ten seconds', async () => {
    await using silent = await listen(undefined)
    const more = { ...environment, FREEZER_WEBHOOK_URL: silent.url }
    const args = ['backup', tree, ...target, '--notify', 'endless', '--notify', 'webhook']
    const started = performance.now()
    const { status, stdout, stderr } = await freezer(args, more)
    const took = performance.now() - started
    assert.equal(status, 0)
    assert.match(stdout, /^Backed up/)
    assert.match(stderr, /^warn: The notifier endless failed: It took longer than 10 seconds\.$/m)
    assert.match(stderr, /^warn: The notifier webhook failed: /m)
    assert.ok(took > 9900 && took < 16_000, `${took}`)
    assert.ok(silent.received.length > 1)
    assert.equal(new Set(silent.received.map(({ report }) => report.run)).size, 1)
  })

  test('hears nothing of a dry run', async () => {
    await using server = await listen(200)
    const args = ['backup', tree, ...target, '--notify', 'webhook', '--dry-run']
    assert.equal((await freezer(args, { FREEZER_WEBHOOK_URL: server.url })).status, 0)
    assert.equal(server.received.length, 0)
  })

  test('that is not there, or lacks its address, is refused before anything is done', async () => {
    const file = join(scratch, 'refused.prom')
    const args = ['backup', tree, '--container', join(scratch, 'fresh'), '-N', 'x', '--metrics-file', file]
    const none = await freezer([...args, '--notify', 'pigeon'])
    assert.equal(none.status, 12)
    assert.match(none.stderr, /no notifier "pigeon"\. Installed: webhook\./)
    const bare = await freezer([...args, '--notify', 'webhook'])
    assert.equal(bare.status, 2)
    assert.match(bare.stderr, /webhook_url \(in the file of --config, or FREEZER_WEBHOOK_URL\) is required/)
    const flag = await freezer([...args, '--notify', 'webhook', '--webhook-url', `http://x/${secret}`])
    assert.equal(flag.status, 2)
    assert.match(flag.stderr, /secret is not given on a command line/)
    assert.doesNotMatch(flag.stderr, /T0pSecret/)
    assert.equal(existsSync(join(scratch, 'fresh')), false)
    const list = await freezer(['list', '--container', container, '--notify', 'webhook'])
    assert.equal(list.status, 2)
  })

  test('stands in help, with the secret that it wants', async () => {
    const { stdout } = await freezer(['backup', '--help'])
    assert.match(stdout, /--notify=NAME +Who is told[^]*?webhook/)
    assert.match(stdout, /^NOTIFIER WEBHOOK FLAGS\n +--webhook-token-file=FILE/m)
    assert.match(
      stdout,
      /^SECRETS.*\n(?:(?: .*)?\n)*? +webhook_url, FREEZER_WEBHOOK_URL\s+notifier webhook: Where to/m,
    )
    const { stdout: list } = await freezer(['list', '--help'])
    assert.doesNotMatch(list, /webhook|metrics/)
  })

  test('over HTTPS wants a certificate that is vouched for', async () => {
    const [key, cert] = [join(scratch, 'key.pem'), join(scratch, 'cert.pem')] as const
    const made = spawnSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(
        ' ',
      ),
    )
    assert.equal(made.status, 0, String(made.stderr))
    await using server = await listen(200, {
      key: readFileSync(key, 'utf8'),
      cert: readFileSync(cert, 'utf8'),
    })
    const args = ['status', '--container', container, '--notify', 'webhook']
    const unknown = await freezer(args, { FREEZER_WEBHOOK_URL: server.url })
    assert.equal(unknown.status, 0)
    assert.match(unknown.stderr, /^warn: .*certificate of the webhook is not to be trusted/m)
    assert.equal(server.received.length, 0)
    const trusted = await freezer(args, { FREEZER_WEBHOOK_URL: server.url, NODE_EXTRA_CA_CERTS: cert })
    assert.deepEqual([trusted.status, trusted.stderr], [0, ''])
    assert.equal(server.received.length, 1)
  })
})
