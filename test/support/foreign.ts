/** Containers of OpenStack Freezer for the tests: those it wrote, and the trees that they must restore to. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { tar } from '@freezer/engine-tar'
import { freezerPython } from '@freezer/reader-freezer-python'
import {
  asFailure,
  type BackupReference,
  type Context,
  type Failure,
  type ForeignRepository,
  openForeignRepository,
  restore,
  type Storage,
  type Warning,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { checkout } from './program.ts'

export const fixtures = path.join(checkout, 'test', 'fixtures', 'freezer-python')
export const passphraseFile = path.join(fixtures, 'passphrase.txt')

/** The tree before the backup of a level: what `describe` gives of it. */
export function expectedTree(level: number): unknown {
  return JSON.parse(fs.readFileSync(path.join(fixtures, `expected-level-${level}.json`), 'utf8'))
}

/** Paths of all that is in a directory; symbolic links are not followed. */
function below(root: string, directory: string): string[] {
  return fs.readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(directory, entry.name)
    return entry.isDirectory() ? [name, ...below(root, name)] : [name]
  })
}

/** What is in a tree, in the form of the fixtures. */
export function describe(root: string): unknown {
  const links = new Map<number, string[]>()
  const names = ['.', ...below(root, '')]
  const entries = names.map((name) => {
    const file = path.join(root, name)
    const stat = fs.lstatSync(file)
    const { uid, gid } = stat
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0')
    const mtime = Math.floor(stat.mtimeMs / 1000)
    if (stat.isDirectory()) return { path: name, type: 'd', mode, uid, gid, mtime }
    if (stat.isSymbolicLink()) return { path: name, type: 'l', uid, gid, target: fs.readlinkSync(file) }
    if (stat.isFIFO()) return { path: name, type: 'p', mode, uid, gid }
    const sha256 = createHash('sha256').update(fs.readFileSync(file)).digest('hex')
    if (stat.nlink > 1) links.set(stat.ino, [...(links.get(stat.ino) ?? []), name].sort())
    return { path: name, type: 'f', mode, uid, gid, size: stat.size, sha256, mtime }
  })
  const order = (a: { path: string }, b: { path: string }) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))
  return { entries: entries.sort(order), hardlinks: [...links.values()].sort() }
}

/** A copy of a fixture's container that a test may damage, and the file with the archive of a level in it. */
export function copyOf(
  fixture: string,
  to: string,
): { readonly container: string; archive(level: number): string } {
  fs.cpSync(path.join(fixtures, fixture, 'store'), to, { recursive: true })
  const archives = (fs.readdirSync(to, { recursive: true, encoding: 'utf8' }) as string[]).filter((name) =>
    /^data\/.*\/data$/.test(name),
  )
  return {
    container: to,
    archive: (level) => {
      const found = archives.find((name) => name.includes(`/${level}_`))
      if (found === undefined) throw new Error(`There is no level ${level}.`)
      return path.join(to, found)
    },
  }
}

/** A context that keeps what it is warned of. */
export function listening(): { readonly context: Context; readonly warnings: Warning[] } {
  const warnings: Warning[] = []
  const report: Context['report'] = (event) => {
    if (event.type === 'warning') warnings.push(event.warning)
  }
  return { warnings, context: { signal: new AbortController().signal, now: Date.now, report } }
}

export async function openLocal(container: string): Promise<Storage> {
  return local.open({ container }, listening().context, { create: false })
}

/** Opens the container of the other program that lies there. */
export async function openForeign(
  storage: Storage,
  context: Context,
  passphrase?: string,
): Promise<ForeignRepository> {
  const repository = await openForeignRepository(
    {
      storage,
      readers: async () => [freezerPython],
      engines: [tar],
      passphrase: passphrase === undefined ? undefined : Buffer.from(passphrase),
    },
    context,
  )
  if (repository === undefined) throw new Error('Nobody knows what this container is.')
  return repository
}

export interface Restored {
  /** Why not all of it was restored: thrown, or found damaged. */
  readonly code: Failure['code'] | undefined
  /** Paths that were told to be lost. */
  readonly lost: readonly string[]
  readonly message: string
}

/** Restores a backup of host1, the newest of `golden` unless another is said, into a new directory. */
export async function restoreForeign(
  storage: Storage,
  back: string,
  {
    backup,
    passphrase,
    name = 'golden',
  }: { readonly backup?: BackupReference; readonly passphrase?: string; readonly name?: string } = {},
): Promise<Restored> {
  const { context, warnings } = listening()
  const lost = () => warnings.filter(({ kind }) => kind === 'unrestored').map((warning) => warning.path)
  try {
    await using repository = await openForeign(storage, context, passphrase)
    const result = await restore(
      {
        repository,
        engines: [tar],
        target: () => ({ kind: 'tree', path: back, overwrite: false, remove: false }),
        host: 'host1',
        name,
        backup,
        workers: 1,
      },
      context,
    )
    const code = result.damaged ? 'damaged' : result.unrestored > 0 ? 'incomplete' : undefined
    return { code, lost: lost(), message: '' }
  } catch (error) {
    const { code, message } = asFailure(error)
    return { code, lost: lost(), message }
  }
}
