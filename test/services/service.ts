/**
 * Real servers for tests: what they need is installed from Debian's packages, they listen on 127.0.0.1 alone, and they end with
 * the test that started them, whatever happens to it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
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
  /** Everything that belongs to it. */
  readonly directory: string
  /** Program and arguments. It stays in the foreground. */
  readonly command: readonly string[]
  /** Whether it serves by now. */
  readonly ready: () => Promise<boolean>
}

/** A server that runs in processes of its own, all of which end with it. Disposing it also removes its directory. */
export interface Service extends AsyncDisposable {
  readonly directory: string
  /** Ends it as a power cut would; connections break. */
  stop(): Promise<void>
  /** After `stop`, with the same files on the same ports. */
  start(): Promise<void>
  /** Lets it fall silent: connections stay, and nothing answers. */
  freeze(): void
  thaw(): void
}

/** Starts a server and waits until it serves. @throws Error with the end of what it said; its directory is removed */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { directory } = options
  let child: ChildProcess | undefined
  const processes = () => descendants(child?.pid ?? 0)
  const service: Service = {
    directory,
    async stop() {
      if (child !== undefined) await end(child)
      child = undefined
    },
    async start() {
      child = await begin(options)
    },
    freeze() {
      for (const pid of processes()) process.kill(pid, 'SIGSTOP')
    },
    thaw() {
      for (const pid of processes()) process.kill(pid, 'SIGCONT')
    },
    async [Symbol.asyncDispose]() {
      await service.stop()
      fs.rmSync(directory, { recursive: true })
    },
  }
  try {
    await service.start()
  } catch (error) {
    fs.rmSync(directory, { recursive: true })
    throw error
  }
  return service
}

async function begin({ name, directory, command, ready }: ServiceOptions): Promise<ChildProcess> {
  const output = path.join(directory, 'output')
  const log = openSync(output, 'a')
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
  const child = spawn('setpriv', [...words, ...command], { stdio: ['ignore', log, log] })
  closeSync(log)
  let failed: Error | undefined
  child.once('error', (error) => {
    failed = error
  })
  const said = () => readFileSync(output, 'utf8').slice(-4000)
  try {
    for (const last = Date.now() + startTime; Date.now() < last; await pause(50)) {
      if (failed !== undefined) throw failed
      if (hasEnded(child)) throw new Error(`${name} ended at once:\n${said()}`)
      if (await ready()) return child
    }
    throw new Error(`${name} is not ready after ${startTime} ms:\n${said()}`)
  } catch (error) {
    await end(child)
    throw error
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return
  const ended = once(child, 'close')
  const processes = descendants(child.pid)
  child.kill('SIGKILL')
  await ended
  // They end a moment later, and until then they answer, hold their ports, and write to their files.
  const isThere = (pid: number) => fs.existsSync(`/proc/${pid}`)
  for (const last = Date.now() + startTime; processes.some(isThere) && Date.now() < last; await pause(10));
}

/** Whether somebody listens at `port`, and what they say begins with `greeting`, where that is given. */
export function answers(port: number, greeting = ''): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => {
    if (greeting === '') resolve(true)
  })
  socket.once('data', (bytes) => resolve(bytes.toString('latin1').startsWith(greeting)))
  socket.once('error', () => resolve(false))
  socket.once('close', () => resolve(false))
  socket.setTimeout(2000, () => resolve(false))
  return promise.finally(() => socket.destroy())
}

/** Whether a request for `url` gets an answer, one that is fine where that is `wanted`. */
export async function responds(url: string, wanted = false): Promise<boolean> {
  try {
    return (await fetch(url)).ok || !wanted
  } catch {
    return false
  }
}

/** Sockets of this process. */
export function openSockets(): number {
  const files = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return files.filter((file) => file.startsWith('socket:')).length
}

/** What a process started, and so on. */
function descendants(pid: number): number[] {
  let children = ''
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    // It has ended meanwhile.
  }
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
