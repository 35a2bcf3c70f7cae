/**
 * Real servers for tests: what they need is installed from Debian's packages, they listen on 127.0.0.1 alone, and they end with
 * the test that started them, whatever happens to it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds in which a server must be ready: Keystone needs five seconds, and half a minute on a machine that is very busy. */
const startTime = 120_000

/**
 * Installs Debian packages that are missing. Nothing is removed for them, and no daemon of theirs is started.
 * @throws Error with what apt said; nothing is skipped
 */
export function installPackages(...names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name))
  if (missing.length === 0) return
  if (process.getuid?.() !== 0) throw new Error(`Only root can install ${missing.join(', ')}.`)
  const install = ['install', '-y', '--no-install-recommends', '--no-remove', ...missing]
  const first = apt(...install)
  if (first.status === 0) return
  const update = apt('update')
  const second = apt(...install)
  if (second.status !== 0) throw new Error(`${first.output}\n${update.output}\n${second.output}`)
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' })
  return stdout === 'installed'
}

/** One apt at a time: test files run side by side. */
function apt(...words: readonly string[]): { readonly status: number | null; readonly output: string } {
  const lock = path.join(tmpdir(), 'freezer-services-apt.lock')
  const { status, stdout, stderr } = spawnSync(
    'flock',
    [lock, 'apt-get', '-o', 'DPkg::Lock::Timeout=300', ...words],
    {
      encoding: 'utf8',
      timeout: 600_000,
      // With this run level, the packages' own scripts leave their daemons alone.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    },
  )
  return { status, output: `apt-get ${words.join(' ')}: ${stdout}${stderr}` }
}

/** Below those that Linux gives to outgoing connections: a server that is stopped finds its port free when it starts again. */
const ports = { first: 12_000, count: 20_000 }

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.first + Math.floor(Math.random() * ports.count)
    const server = createServer()
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!listening) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

export interface ServiceOptions {
  readonly name: string
  /** Program and arguments. It stays in the foreground. */
  readonly command: readonly string[]
  /** Where its output goes. */
  readonly log: string
  /** Whether it serves by now. */
  readonly ready: () => Promise<boolean>
}

/** A server that runs in processes of its own, all of which end with it. */
export class Service {
  readonly #child: ChildProcess
  readonly #options: ServiceOptions

  private constructor(child: ChildProcess, options: ServiceOptions) {
    this.#child = child
    this.#options = options
  }

  /** Starts it and waits until it serves. @throws Error with the end of its log */
  static async start(options: ServiceOptions): Promise<Service> {
    const log = openSync(options.log, 'a')
    // A namespace of processes: whatever the server starts ends when its first process does, and that when ours does.
    const words = [
      '--pdeathsig',
      'KILL',
      'unshare',
      '--mount',
      '--pid',
      '--mount-proc',
      '--fork',
      '--kill-child',
    ]
    const child = spawn('setpriv', [...words, ...options.command], { stdio: ['ignore', log, log] })
    closeSync(log)
    const service = new Service(child, options)
    try {
      await service.#waitUntilReady()
    } catch (error) {
      await service.stop()
      throw error
    }
    return service
  }

  async #waitUntilReady(): Promise<void> {
    const { name, log, ready } = this.#options
    let failed: Error | undefined
    this.#child.once('error', (error) => {
      failed = error
    })
    for (const end = Date.now() + startTime; Date.now() < end; await pause(50)) {
      if (failed !== undefined) throw failed
      if (this.#ended) throw new Error(`${name} ended at once:\n${readFileSync(log, 'utf8').slice(-4000)}`)
      if (await ready()) return
    }
    throw new Error(`${name} is not ready after ${startTime} ms:\n${readFileSync(log, 'utf8').slice(-4000)}`)
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Ends it as a power cut would; connections break. */
  async stop(): Promise<void> {
    if (this.#child.pid === undefined || this.#ended) return
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Lets it fall silent: connections stay, and nothing answers. */
  freeze(): void {
    for (const pid of descendants(this.#child.pid ?? 0)) process.kill(pid, 'SIGSTOP')
  }

  thaw(): void {
    for (const pid of descendants(this.#child.pid ?? 0)) process.kill(pid, 'SIGCONT')
  }
}

/** What a process started, and so on. */
function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children
    .split(' ')
    .filter((word) => word !== '')
    .flatMap((word) => [Number(word), ...descendants(Number(word))])
}

/** Puts a file into a directory that a server keeps, as its owner would, whatever its name. */
export function plantFile(directory: string, name: string, content: Uint8Array): void {
  const { uid, gid } = fs.statSync(directory)
  let at = directory
  for (const part of name.split('/').slice(0, -1)) {
    at = path.join(at, part)
    if (fs.existsSync(at)) continue
    fs.mkdirSync(at)
    fs.chownSync(at, uid, gid)
  }
  fs.writeFileSync(path.join(directory, name), content)
  fs.chownSync(path.join(directory, name), uid, gid)
}
