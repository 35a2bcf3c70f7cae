/** A tree of entries in memory, changed by the members of one archive after the other as a restore would change it. */
import { type Entry, type EntryType, type EntryWriter, Failure, type Place } from '@freezer/sdk'

/** What the names of one file share. */
export interface Inode {
  type: Exclude<EntryType, 'hardlink'>
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  mtimeNs: number
  ctime: number
  ctimeNs: number
  inode: number
  /** Target of a symbolic link. */
  link: string
  /** Where the record with the content lies. */
  place: Place
}

/** One name. */
export interface Node {
  /** Undefined for a directory that is on the way to others, but was never named itself. */
  inode: Inode | undefined
  /** Where the record of this name lies. */
  place: Place | undefined
  /** Undefined for all but directories. */
  children: Map<string, Node> | undefined
  /** A member of this name was announced and has not come yet. */
  expected: boolean
}

const directory = (): Node => ({ inode: undefined, place: undefined, children: new Map(), expected: false })

/** Notes that the archive is to hold a member for `name`. */
export function expect(children: Map<string, Node>, name: string, isDirectory: boolean): void {
  const known = children.get(name)
  if (known !== undefined) known.expected = true
  else if (isDirectory) children.set(name, { ...directory(), expected: true })
  else children.set(name, { inode: undefined, place: undefined, children: undefined, expected: true })
}

export class Tree {
  root = directory()

  find(path: string): Node | undefined {
    let node: Node | undefined = this.root
    for (const name of split(path)) node = node?.children?.get(name)
    return node
  }

  /**
   * Puts a file, or anything else that is no directory, in the place of what is there.
   * @throws Failure `hostile` when the way there leads through what is no directory
   */
  set(path: string, inode: Inode, place: Place): void {
    this.#put(path, { inode, place, children: undefined, expected: false }, false)
  }

  /**
   * Names a directory; what is in it stays.
   * @throws Failure `hostile` when the way there leads through what is no directory
   */
  setDirectory(path: string, inode: Inode, place: Place): Node {
    const known = this.find(path)
    const node = known?.children === undefined ? directory() : known
    node.inode = inode
    node.place = place
    node.expected = false
    if (path !== '' && node !== known) this.#put(path, node, false)
    return node
  }

  /** Takes what is at `path` out of the tree. */
  take(path: string): Node | undefined {
    const node = this.find(path)
    if (node === undefined || path === '') return undefined
    const slash = path.lastIndexOf('/')
    this.find(path.slice(0, Math.max(0, slash)))?.children?.delete(path.slice(slash + 1))
    return node
  }

  /** Puts what was taken somewhere else; what is in its way, and is no directory, gives way. */
  move(path: string, node: Node): void {
    this.#put(path, node, true)
  }

  #put(path: string, node: Node, force: boolean): void {
    const names = split(path)
    const last = names.pop()
    if (last === undefined) throw new Failure('damaged', 'The archive holds a member without a name.')
    let at = this.root
    for (const name of names) {
      let inner = at.children?.get(name)
      if (inner?.children === undefined) {
        if (inner !== undefined && !force) {
          throw new Failure('hostile', 'The archive holds a member inside of what is no directory.')
        }
        inner = directory()
        at.children?.set(name, inner)
      }
      at = inner
    }
    at.children?.set(last, node)
  }

  /** Of the member at `path` there is not all: as if it had not come. */
  expectAnew(path: string): void {
    const node = this.find(path)
    if (node !== undefined && node.children === undefined) node.expected = true
  }

  /**
   * Ends the wait for members that were announced.
   * @param missing told of each that did not come, and whether something older is known; says whether that is forgotten
   */
  forget(missing: (path: string, isKnown: boolean) => boolean): void {
    const pending: { path: string; node: Node }[] = [{ path: '', node: this.root }]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const [name, child] of next.node.children ?? []) {
        const path = next.path === '' ? name : `${next.path}/${name}`
        if (child.expected) {
          child.expected = false
          const isKnown = child.inode !== undefined
          // A directory that was not stored may be of another file system; what is in it may be known all the same.
          const isForgotten = missing(path, isKnown) || (!isKnown && child.children === undefined)
          if (isForgotten) {
            next.node.children?.delete(name)
            continue
          }
        }
        if (child.children !== undefined) pending.push({ path, node: child })
      }
    }
  }

  /** Writes all entries in walk order. */
  write(index: EntryWriter): void {
    const firsts = new Map<Inode, string>()
    const pending: { path: string; node: Node }[] = [{ path: '', node: this.root }]
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { path, node } = next
      if (node.inode !== undefined && node.place !== undefined) {
        index.add(entry(node.inode, path, '', node.place))
      }
      const directories: { path: string; node: Node }[] = []
      for (const [name, child] of [...(node.children ?? [])].sort(byName)) {
        const whole = path === '' ? name : `${path}/${name}`
        if (child.children === undefined) writeName(index, firsts, path, name, whole, child)
        else directories.push({ path: whole, node: child })
      }
      for (const inner of directories.toReversed()) pending.push(inner)
    }
  }
}

function split(path: string): string[] {
  return path === '' ? [] : path.split('/')
}

function byName([a]: [string, Node], [b]: [string, Node]): number {
  return a < b ? -1 : 1
}

/** The first name of a file in walk order stands for it, whichever the archive had first; the others are its links. */
function writeName(
  index: EntryWriter,
  firsts: Map<Inode, string>,
  path: string,
  name: string,
  whole: string,
  { inode, place }: Node,
): void {
  if (inode === undefined) return
  const first = firsts.get(inode)
  if (first === undefined) {
    firsts.set(inode, whole)
    index.add(entry(inode, path, name, inode.place))
  } else {
    const link = { ...inode, type: 'hardlink', size: 0, link: first } as const
    index.add({ ...link, directory: path, name, place: place ?? inode.place })
  }
}

function entry(inode: Inode, directoryPath: string, name: string, place: Place): Entry {
  return { ...inode, directory: directoryPath, name, place }
}
