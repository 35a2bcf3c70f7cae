/** Whose a snapshot is: its name says which process made it, so that others can tell whether that is still there. */
import { randomBytes } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'

/** A process as no other ever was: of one boot, of one namespace of processes, started at one moment. */
interface Owner {
  readonly boot: string
  readonly namespace: string
  readonly pid: string
  /** In ticks since the boot. */
  readonly started: string
}

const prefix = '.freezer-snapshot'
const pattern = /^\.freezer-snapshot\.([0-9a-f]{32})\.(\d+)\.(\d+)\.(\d+)\.[0-9a-f]{16}$/

/** A new name for a snapshot of this process. */
export async function newName(): Promise<string> {
  const { boot, namespace } = await surroundings()
  const started = await startOf('self')
  return [prefix, boot, namespace, process.pid, started, randomBytes(8).toString('hex')].join('.')
}

/** Whether `name` is one of ours, of whatever process. */
export function isOurs(name: string): boolean {
  return pattern.test(name)
}

/**
 * Whether the process that `name` stands for is alive; undefined where nobody here can tell: it is one of another container,
 * or no name of a snapshot.
 */
export async function isOwnerAlive(name: string): Promise<boolean | undefined> {
  const owner = ownerOf(name)
  if (owner === undefined) return undefined
  const { boot, namespace } = await surroundings()
  if (owner.boot !== boot) return false
  if (owner.namespace !== namespace) return undefined
  return (await startOf(owner.pid)) === owner.started
}

function ownerOf(name: string): Owner | undefined {
  const [, boot, namespace, pid, started] = pattern.exec(name) ?? []
  if (boot === undefined || namespace === undefined || pid === undefined || started === undefined)
    return undefined
  return { boot, namespace, pid, started }
}

async function surroundings(): Promise<Pick<Owner, 'boot' | 'namespace'>> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  const namespace = await readlink('/proc/self/ns/pid')
  return { boot: boot.trim().replaceAll('-', ''), namespace: namespace.replace(/\D/g, '') }
}

/** Field 22 of `/proc/PID/stat`, see proc_pid_stat(5); undefined when there is no such process. */
async function startOf(pid: string): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name of the program, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
