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
}

const directory = (): Node => ({ inode: undefined, place: undefined, children: new Map() })

export class Tree {
  root = directory()

  find(path: string): Node | undefined {
    let node: Node | undefined = this.root
    for (const name of split(path)) node = node?.children?.get(name)
    return node
  }

  /** Puts a file, or anything else that is no directory, in the place of what is there. */
  set(path: string, inode: Inode, place: Place): void {
    const { parent, name } = this.#parent(path)
    parent.children?.set(name, { inode, place, children: undefined })
  }

  /** Names a directory; what is in it stays. */
  setDirectory(path: string, inode: Inode, place: Place): Node {
    const node = this.#directory(path)
    node.inode = inode
    node.place = place
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

  /** Puts what was taken somewhere else. */
  put(path: string, node: Node): void {
    const { parent, name } = this.#parent(path)
    parent.children?.set(name, node)
  }

  #parent(path: string): { parent: Node; name: string } {
    if (path === '') throw new Failure('damaged', 'The archive holds a member without a name.')
    const slash = path.lastIndexOf('/')
    return { parent: this.#directory(path.slice(0, Math.max(0, slash))), name: path.slice(slash + 1) }
  }

  /** The directory at `path`, made with those above it; what is there and is none gives way. */
  #directory(path: string): Node {
    let node = this.root
    for (const name of split(path)) {
      let inner = node.children?.get(name)
      if (inner?.children === undefined) {
        inner = directory()
        node.children?.set(name, inner)
      }
      node = inner
    }
    return node
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
