/**
 * Lists an archive from its bytes alone: plays its members on the tree of the level below, as `tar --extract
 * --incremental` would on a directory, and writes the entries of what comes out.
 */
import { displayPath, type EngineList, type Entry, Failure, isFailure, throwIfAborted } from '@freezer/sdk'
import { Cursor, truncated } from './cursor.ts'
import { blockSize } from './header.ts'
import { type Member, relativePath } from './record.ts'
import { expect, type Inode, type Node, Tree } from './tree.ts'

/** A directory of ten million names of the usual length. */
const longestDumpdir = 256 * 2 ** 20
/** Zeros at the end, or between archives that were joined: no tar writes records that are longer. */
const mostZeros = 64 * 2 ** 20

/**
 * The entries of the whole tree as of `run.level`.
 * @throws Failure `damaged` for an archive that is cut off or none, `hostile` for names that leave the tree
 */
export async function list(run: EngineList): Promise<void> {
  const tree = await load(run)
  const cursor = new Cursor(run.archive)
  const played: Played = { end: 0, last: undefined }
  let cut: Failure | undefined
  try {
    await playAll(run, tree, cursor, played)
  } catch (error) {
    if (run.cut === undefined || !isFailure(error) || error.code !== 'damaged') throw error
    const { last } = played
    // Nothing says what it was to hold.
    if (last === undefined) throw error
    cut = error
    run.cut(error)
    if (!(await holds(cursor, run.level, played.end - 1))) tree.expectAnew(last)
  }
  tree.forget((path, isKnown) => {
    // A socket is listed and never stored, and so is what tar could not open.
    const what = isKnown ? 'its newer content is not in the archive' : 'it is not in the archive'
    const message = cut === undefined ? `listed, but ${what}` : `lost: ${what}, which is damaged`
    run.warn({ kind: cut === undefined ? 'unread' : 'unrestored', path: displayPath(path), message })
    return cut !== undefined
  })
  tree.write(run.index)
}

/** How far an archive was played: up to this offset, and the path of the last member. */
interface Played {
  end: number
  last: string | undefined
}

/** @throws Failure `damaged`, `hostile` */
async function playAll(run: EngineList, tree: Tree, cursor: Cursor, played: Played): Promise<void> {
  const { level } = run
  let zeros = 0
  for (;;) {
    throwIfAborted(run.signal)
    const offset = played.end
    const member = await cursor.member(level, offset)
    if (member === undefined) {
      if ((await cursor.at(level, offset)) === undefined) break
      // Archives that were joined have zeros between them.
      await cursor.bytes(level, offset, blockSize)
      zeros += blockSize
      if (zeros > mostZeros) throw new Failure('hostile', 'The archive is filled up with zeros without end.')
      played.end += blockSize
      continue
    }
    zeros = 0
    const dumpdir = await dumpdirOf(cursor, level, offset, member)
    play(run, tree, member, dumpdir, offset)
    run.count(1, 0)
    played.end = offset + member.length
    played.last = member.type === undefined ? undefined : member.path
  }
  if (zeros === 0) throw truncated()
}

async function holds(cursor: Cursor, level: number, offset: number): Promise<boolean> {
  try {
    return (await cursor.at(level, offset)) !== undefined
  } catch {
    return false
  }
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
  const { children = new Map() } = tree.setDirectory(path, inode, place)
  if (names === undefined) return
  for (const [name, child] of children) {
    const letter = names.get(name)
    if (letter === undefined || (letter === 'D') !== (child.children !== undefined)) children.delete(name)
  }
  // What is to come, and what should be known from the level below.
  for (const [name, letter] of names) {
    if (letter !== 'N' || !children.has(name)) expect(children, name, letter === 'D')
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
