/**
 * Members of an archive on their way out: the header in the POSIX format, and pax records for whatever it cannot say
 * exactly.
 */
import { isUtf8 } from 'node:buffer'
import type { Attribute, Stat } from '@freezer/filesystem'
import type { ArchiveWriter } from '@freezer/sdk'
import { aclText } from './acl-text.ts'
import {
  blockSize,
  encodeHeader,
  encodePaxHeader,
  flags,
  formatTime,
  octal8,
  octal12,
  PaxRecords,
  padded,
  paxLength,
} from './header.ts'
import { groupName, userName } from './owners.ts'

export interface Member {
  /** As it stands in the archive: `./a/b`, a directory with `/` at its end. */
  readonly name: string
  readonly flag: string
  readonly stat: Stat
  /** Target of a symbolic link, or the member that a hard link is another name of. */
  readonly link: string
  /** Bytes that follow the header, without padding. */
  readonly stored: number
  readonly attributes: readonly Attribute[]
  /** Size of a file that is stored sparse. */
  readonly realSize?: number | undefined
  /** What a directory holds: GNU tar removes what is not in it when it restores an increment. */
  readonly dumpdir?: Dumpdir | undefined
}

/** Names of a directory, sorted, each with its letter: `Y` in this archive, `N` not in it, `D` a directory. */
export interface Dumpdir {
  /** Bytes in all. */
  readonly length: number
  /** The bytes, in pieces that are good until the next one. */
  pieces(): Iterable<Uint8Array>
}

const zeros = Buffer.alloc(65536)

export class Members {
  readonly #archive: ArchiveWriter
  readonly #pax = new PaxRecords()
  #scratch = Buffer.alloc(8192)

  constructor(archive: ArchiveWriter) {
    this.#archive = archive
  }

  /** Writes all that comes before the content. Await what it returns, if anything. */
  begin(member: Member): Promise<void> | undefined {
    const { dumpdir } = member
    if (dumpdir !== undefined && dumpdir.length > largeDumpdir) return this.#beginLarge(member, dumpdir)
    const pax = this.#records(member)
    if (dumpdir !== undefined) {
      const value = pax.reserve(dumpdirKey, dumpdir.length)
      let at = 0
      for (const piece of dumpdir.pieces()) {
        value.set(piece, at)
        at += piece.length
      }
    }
    const announced = pax.length === 0 ? 0 : blockSize + padded(pax.length)
    const total = announced + blockSize
    if (total > this.#scratch.length) this.#scratch = Buffer.alloc(total)
    const bytes = this.#scratch.subarray(0, total).fill(0)
    if (announced > 0) {
      encodePaxHeader(bytes, 0, pax.length)
      bytes.set(pax.bytes, blockSize)
    }
    putHeader(bytes, announced, member)
    return this.#archive.write(bytes)
  }

  /** The same for a directory of so many names that they had better not all be in memory once more. */
  async #beginLarge(member: Member, dumpdir: Dumpdir): Promise<void> {
    const pax = this.#records(member)
    const length = paxLength(dumpdirKey, dumpdir.length)
    const size = pax.length + length
    const header = new Uint8Array(blockSize)
    encodePaxHeader(header, 0, size)
    await this.#archive.write(header)
    await this.#archive.write(pax.bytes)
    await this.#archive.write(Buffer.from(`${length} ${dumpdirKey}=`))
    for (const piece of dumpdir.pieces()) await this.#archive.write(piece)
    const rest = new Uint8Array(1 + padded(size) - size + blockSize)
    rest[0] = 0x0a
    putHeader(rest, rest.length - blockSize, member)
    await this.#archive.write(rest)
  }

  /** Writes `length` zeros: padding, or what stands for content that could not be read. */
  async zeros(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const count = Math.min(left, zeros.length)
      await this.#archive.write(zeros.subarray(0, count))
      left -= count
    }
  }

  #records({ name, link, stat, stored, attributes, realSize }: Member): PaxRecords {
    const pax = this.#pax
    pax.clear()
    const longName = name.length > 100 && realSize === undefined
    const longLink = link.length > 100
    if (
      (longName && !isText(name)) ||
      (longLink && !isText(link)) ||
      (realSize !== undefined && !isText(name))
    ) {
      pax.add('hdrcharset', 'BINARY')
    }
    if (longName) pax.add('path', name)
    if (longLink) pax.add('linkpath', link)
    if (stat.mtimeNs !== 0 || stat.mtime < 0 || stat.mtime > octal12) {
      pax.add('mtime', formatTime(stat.mtime, stat.mtimeNs))
    }
    if (stat.uid > octal8) pax.add('uid', String(stat.uid))
    if (stat.gid > octal8) pax.add('gid', String(stat.gid))
    if (stored > octal12) pax.add('size', String(stored))
    if (realSize !== undefined) {
      pax.add('GNU.sparse.major', '1')
      pax.add('GNU.sparse.minor', '0')
      pax.add('GNU.sparse.name', name)
      pax.add('GNU.sparse.realsize', String(realSize))
    }
    for (const attribute of attributes) {
      const list = /^system\.posix_acl_(access|default)$/.exec(attribute.name)?.[1]
      const text = list === undefined ? undefined : aclText(attribute.value)
      if (text !== undefined) pax.add(`SCHILY.acl.${list}`, text)
      pax.addBytes(`SCHILY.xattr.${escapeKey(attribute.name)}`, attribute.value)
    }
    return pax
  }
}

/** Beyond this, in bytes, a dumpdir goes into the archive piece by piece. */
const largeDumpdir = 1 << 16
const dumpdirKey = 'GNU.dumpdir'

function putHeader(into: Uint8Array, at: number, member: Member): void {
  const { stat } = member
  const special = member.flag === flags.character || member.flag === flags.block
  encodeHeader(into, at, {
    name: member.realSize === undefined ? member.name : sparseName(member.name),
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: member.stored,
    mtime: stat.mtime,
    flag: member.flag,
    link: member.link,
    uname: userName(stat.uid),
    gname: groupName(stat.gid),
    devMajor: special ? stat.rdevMajor : 0,
    devMinor: special ? stat.rdevMinor : 0,
  })
}

function isText(name: string): boolean {
  return isUtf8(Buffer.from(name, 'latin1'))
}

/** `=` ends the key of a pax record; GNU tar escapes it, and its escape character, in names of attributes. */
function escapeKey(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('=', '%3D')
}

/** The name under which a program that knows no sparse files unpacks the map and the data. */
function sparseName(name: string): string {
  const slash = name.lastIndexOf('/')
  return `${name.slice(0, slash + 1)}GNUSparseFile.0/${name.slice(slash + 1)}`
}
