/**
 * Lists an archive from its bytes alone: plays its members on the tree of the level below, as `tar --extract
 * --incremental` would on a directory, and writes the entries of what comes out.
 */
import { displayPath, type EngineList, type Entry, Failure, throwIfAborted } from '@freezer/sdk'
import { Cursor, truncated } from './cursor.ts'
import { blockSize } from './header.ts'
import { type Member, relativePath } from './record.ts'
import { type Inode, type Node, Tree } from './tree.ts'

/** A directory of ten million names of the usual length. */
const longestDumpdir = 256 * 2 ** 20

/**
 * The entries of the whole tree as of `run.level`.
 * @throws Failure `damaged` for an archive that is cut off or none, `hostile` for names that leave the tree
 */
export async function list(run: EngineList): Promise<void> {
  const tree = await load(run)
  const cursor = new Cursor(run.archive)
  const { level } = run
  let ended = false
  for (let offset = 0; ; ) {
    throwIfAborted(run.signal)
    const member = await cursor.member(level, offset)
    if (member === undefined) {
      const zeros = await cursor.at(level, offset)
      if (zeros === undefined) break
      // Archives that were joined have zeros between them.
      await cursor.bytes(level, offset, blockSize)
      ended = true
      offset += blockSize
      continue
    }
    ended = false
    const dumpdir = await dumpdirOf(cursor, level, offset, member)
    play(run, tree, member, dumpdir, offset)
    run.count(1, 0)
    offset += member.length
  }
  if (!ended) throw truncated()
  tree.write(run.index)
}

async function dumpdirOf(
  cursor: Cursor,
  level: number,
  offset: number,
  member: Member,
): Promise<string | undefined> {
  if (!member.dumpdirFollows) return member.dumpdir
  if (member.stored > longestDumpdir) throw malformed('is too long')
  const bytes = await cursor.bytes(level, offset + member.contentAt, member.stored)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function play(
  run: EngineList,
  tree: Tree,
  member: Member,
  dumpdir: string | undefined,
  offset: number,
): void {
  const { path, type, length } = member
  const place = { level: run.level, offset, length }
  if (type === undefined) return
  if (type === 'hardlink') {
    const inode = tree.find(member.link)?.inode
    if (inode === undefined || inode.type === 'directory') {
      const message = `another name of ${displayPath(member.link)}, which is not in the archive`
      run.warn({ kind: 'unread', path: displayPath(path), message })
      tree.take(path)
    } else if (member.link !== path) {
      tree.set(path, inode, place)
    }
    return
  }
  const { mode, uid, gid, size, mtime, mtimeNs, link } = member
  const unknown = { ctime: 0, ctimeNs: -1, inode: 0 }
  const inode: Inode = { type, mode, uid, gid, size, mtime, mtimeNs, link, place, ...unknown }
  if (type !== 'directory') {
    tree.set(path, inode, place)
    return
  }
  const names = dumpdir === undefined ? undefined : parseDumpdir(tree, dumpdir)
  const { children } = tree.setDirectory(path, inode, place)
  for (const [name, child] of names === undefined ? [] : (children ?? [])) {
    const letter = names?.get(name)
    if (letter === undefined || (letter === 'D') !== (child.children !== undefined)) children?.delete(name)
  }
}

/** Renames under way in a dumpdir. */
interface Rename {
  from: string | undefined
  /** What is in the temporary directory. */
  spare: Node | undefined
}

/**
 * The names of a dumpdir with their letters; the renames in it are done on the tree. Format: GNU tar manual,
 * "Dumpdir".
 */
function parseDumpdir(tree: Tree, dumpdir: string): Map<string, string> {
  const names = new Map<string, string>()
  const state: Rename = { from: undefined, spare: undefined }
  for (const item of dumpdir.split('\0')) {
    if (item === '') break
    const letter = item[0] as string
    const name = item.slice(1)
    if ((state.from !== undefined) !== (letter === 'T')) throw malformed('renames nothing')
    if (letter === 'R') {
      state.from = name === '' ? '' : inTree(name)
    } else if (letter === 'T') {
      move(tree, state, name === '' ? '' : inTree(name))
    } else if (letter === 'Y' || letter === 'N' || letter === 'D') {
      if (name === '' || name === '.' || name === '..' || name.includes('/')) {
        throw new Failure('hostile', 'A directory in the archive lists a name that no directory holds.')
      }
      names.set(name, letter)
    } else if (letter !== 'X') {
      throw malformed('holds an unknown letter')
    }
  }
  if (state.from !== undefined) throw malformed('renames nothing')
  return names
}

function inTree(name: string): string {
  const path = relativePath(name)
  if (path === '') throw malformed('renames the root')
  return path
}

/** One rename; an empty name stands for a temporary directory, through which names are exchanged. */
function move(tree: Tree, state: Rename, to: string): void {
  const from = state.from ?? ''
  state.from = undefined
  if (from === to || to.startsWith(`${from}/`)) throw malformed('moves a directory into itself')
  const node = from === '' ? state.spare : tree.take(from)
  if (from === '') state.spare = undefined
  if (to === '') state.spare = node
  else if (node !== undefined) tree.move(to, node)
}

function malformed(what: string): Failure {
  return new Failure('damaged', `The list of a directory in the archive ${what}.`)
}

/** The tree that the level below left. */
async function load(run: EngineList): Promise<Tree> {
  const tree = new Tree()
  const { previous } = run
  if (previous === undefined) return tree
  for (;;) {
    const entry = previous.peek()
    if (entry === undefined) {
      if (!(await previous.more())) return tree
      continue
    }
    add(tree, entry)
    previous.next()
  }
}

function add(tree: Tree, { directory, name, type, link, ...rest }: Entry): void {
  const path = directory === '' || name === '' ? directory + name : `${directory}/${name}`
  const place = { ...rest.place }
  if (type === 'directory') tree.setDirectory(path, { ...rest, type, link, place }, place)
  else if (type === 'hardlink') {
    const inode = tree.find(link)?.inode
    if (inode !== undefined) tree.set(path, inode, place)
  } else tree.set(path, { ...rest, type, link, place }, place)
}
