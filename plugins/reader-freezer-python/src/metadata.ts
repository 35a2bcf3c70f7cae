/** The small JSON of a backup, and what it says about how to read the archive beside it. */
import type { ForeignBackup } from '@freezer/sdk'
import type { Place } from './layout.ts'

export const compressions = ['gzip', 'bzip2', 'xz'] as const
export type Compression = (typeof compressions)[number]

export interface Metadata {
  /** `tar`, `rsync`, `nova`, `glance`, `osbrick`. */
  readonly engine: string
  readonly compression: Compression
  readonly encrypted: boolean
  /** Whether the archive is one of the second format of the engine `rsync`: nothing else tells them apart. */
  readonly isSecondRsync: boolean
  /** What it is of, where the cloud gave it a name. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** Undefined for JSON that the program does not write. */
export function parseMetadata(read: Readonly<Record<string, unknown>>): Metadata | undefined {
  const { engine_name: engine, compression = 'gzip', encryption = false } = read
  const known = compressions.find((one) => one === compression)
  if (typeof engine !== 'string' || typeof encryption !== 'boolean' || known === undefined) return undefined
  return {
    engine,
    compression: known,
    encrypted: encryption,
    isSecondRsync: Number.isSafeInteger(read['rsync_block_size']),
    facts: {
      ...named('server', read['server']),
      ...named('image', read['image']),
      ...named('volume', read['volume_info']),
    },
  }
}

function named(what: string, described: unknown): Readonly<Record<string, unknown>> {
  if (typeof described !== 'object' || described === null) return {}
  const { id, name } = described as Readonly<Record<string, unknown>>
  return {
    ...(typeof id === 'string' ? { [what]: id } : {}),
    ...(typeof name === 'string' ? { [`${what}Name`]: name } : {}),
  }
}

const images: Record<string, string> = { nova: 'image of a server', glance: 'image' }

/** What a backup is, as far as its place and its metadata tell. */
export function kindOf(
  place: Place,
  metadata: Metadata | undefined,
): Pick<ForeignBackup, 'content' | 'archive' | 'engine' | 'codecs' | 'encrypted' | 'facts'> {
  const { engine, level } = place
  const facts = metadata?.facts ?? {}
  const image = images[engine]
  const encrypted = metadata?.encrypted === true
  const encryption = encrypted ? ['aes-256-cfb'] : []
  if (image !== undefined) return { content: image, archive: undefined, engine, codecs: [], encrypted, facts }
  const codecs = [...(metadata === undefined ? [] : [metadata.compression]), ...encryption]
  if (engine === 'tar' || engine === 'osbrick')
    return { content: 'files', archive: 'tar', engine, codecs, encrypted, facts }
  if (engine !== 'rsync') {
    return {
      content: `what the engine ${engine} stored`,
      archive: undefined,
      engine,
      codecs,
      encrypted,
      facts,
    }
  }
  if (metadata?.isSecondRsync === true && level === 0 && !encrypted) {
    return { content: 'files', archive: 'tar', engine: 'rsyncv2', codecs, encrypted, facts }
  }
  const content =
    metadata?.isSecondRsync === true
      ? 'files in a format that no version of it reads'
      : 'files in the format of 2017'
  return {
    content,
    archive: undefined,
    engine: metadata?.isSecondRsync === true ? 'rsyncv2' : 'rsync',
    codecs,
    encrypted,
    facts,
  }
}
