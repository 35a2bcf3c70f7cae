/** What is in a container, from its keys and the small JSON of each backup. */
import {
  Failure,
  type ForeignBackup,
  type ForeignContainer,
  type ForeignSecrets,
  isFailure,
  type Storage,
  throwIfAborted,
} from '@freezer/sdk'
import { readArchive } from './archive.ts'
import {
  dataKey,
  dataPrefix,
  idOf,
  metadataKey,
  metadataPrefix,
  ownerOf,
  type Place,
  parsePlace,
  parseVolume,
  type Volume,
} from './layout.ts'
import { kindOf, type Metadata, parseMetadata } from './metadata.ts'

/** Small files read at a time. */
const atOnce = 8
/** Bytes of a small file at most: the description of a server is the largest. */
const longestMetadata = 4 * 2 ** 20

/** What `read` needs to know of a backup. */
interface Known {
  readonly metadata: Metadata
  readonly key: string
  readonly size: number
}

export async function openContainer(
  storage: Storage,
  { passphrase }: ForeignSecrets,
): Promise<ForeignContainer> {
  const known = new Map<string, Known>()
  return {
    async backups(signal) {
      const found = [...(await levels(storage, known, signal)), ...(await volumes(storage, signal))]
      return found.sort((a, b) => a.time - b.time || a.level - b.level || (a.id < b.id ? -1 : 1))
    },
    read(backup, signal) {
      const what = known.get(backup.id)
      if (what === undefined) throw new Failure('not-found', 'This backup was not listed.')
      return readArchive(storage, { ...what, passphrase }, signal)
    },
  }
}

async function levels(
  storage: Storage,
  known: Map<string, Known>,
  signal: AbortSignal,
): Promise<ForeignBackup[]> {
  const places: Place[] = []
  for await (const { key } of storage.list(metadataPrefix, signal)) {
    const found = parsePlace(key)
    if (found?.part === 'metadata') places.push(found.place)
  }
  const sizes = new Map<string, number>()
  for await (const { key, size } of storage.list(dataPrefix, signal)) {
    if (parsePlace(key)?.part === 'data') sizes.set(key, size)
  }
  const chains = Map.groupBy(places, ({ engine, owner, chain }) => `${engine}/${owner}/${chain}`)
  return inTurns(places, async (place) => {
    throwIfAborted(signal)
    const key = dataKey(place)
    const size = sizes.get(key)
    const id = idOf(place)
    const read = await readMetadata(storage, metadataKey(place), signal)
    const metadata = isFailure(read) ? undefined : parseMetadata(read)
    const below = parentOf(place, chains.get(`${place.engine}/${place.owner}/${place.chain}`) ?? [])
    const kind = kindOf(place, metadata)
    if (metadata !== undefined && size !== undefined) known.set(id, { metadata, key, size })
    const failure = isFailure(read)
      ? read
      : metadata === undefined
        ? damaged(`${metadataKey(place)} is not what the program writes there`)
        : size === undefined
          ? damaged(`${key} is not there`)
          : place.level > 0 && below === undefined
            ? damaged(`level ${place.level - 1}, which it builds on, is not there`)
            : undefined
    return {
      id,
      ...ownerOf(place.owner),
      level: place.level,
      chain: idOf({ ...place, level: 0, time: place.chain }),
      parent: below && idOf(below),
      time: place.time * 1000,
      ...kind,
      stored: size ?? 0,
      failure,
    }
  })
}

/**
 * The level that a backup builds on. A level may be there several times (`--always-level`): it is the newest that the
 * backup can have seen, whichever the listing gives first.
 */
function parentOf({ level, time }: Place, chain: readonly Place[]): Place | undefined {
  const below = chain.filter((one) => one.level === level - 1 && one.time <= time)
  return below.reduce<Place | undefined>(
    (newest, one) => (newest === undefined || one.time > newest.time ? one : newest),
    undefined,
  )
}

async function volumes(storage: Storage, signal: AbortSignal): Promise<ForeignBackup[]> {
  const found: { volume: Volume; key: string; size: number }[] = []
  for await (const { key, size } of storage.list('', signal)) {
    const volume = parseVolume(key)
    if (volume !== undefined) found.push({ volume, key, size })
  }
  return inTurns(found, async ({ volume: { volume, time, metadata }, key, size }) => {
    throwIfAborted(signal)
    const read = metadata === undefined ? undefined : await readMetadata(storage, metadata, signal)
    const name = isFailure(read) || read === undefined ? undefined : read['volume_name']
    const place = { engine: 'cinder', owner: key, chain: time, level: 0, time }
    return {
      id: idOf(place),
      host: 'cinder',
      name: volume,
      level: 0,
      chain: idOf(place),
      parent: undefined,
      time: time * 1000,
      content: 'image of a volume',
      archive: undefined,
      engine: 'cinder',
      codecs: [],
      encrypted: false,
      stored: size,
      facts: typeof name === 'string' ? { volumeName: name } : {},
      failure: undefined,
    }
  })
}

/** The JSON in a small file, or why there is none. @throws Failure of the storage */
async function readMetadata(
  storage: Storage,
  key: string,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>> | Failure> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of storage.get(key, { offset: 0, length: longestMetadata }, signal)) {
      length += chunk.length
      chunks.push(chunk)
    }
    const read: unknown =
      length < longestMetadata ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined
    if (typeof read === 'object' && read !== null) return read as Record<string, unknown>
    return damaged(`${key} is not what the program writes there`)
  } catch (error) {
    if (error instanceof SyntaxError) return damaged(`${key} is no JSON`)
    if (isFailure(error) && (error.code === 'not-found' || error.code === 'damaged'))
      return damaged(error.message)
    throw error
  }
}

function damaged(what: string): Failure {
  return new Failure('damaged', `The backup cannot be read: ${what}.`, {
    remedy: 'Restore another backup; "freezer list" shows them.',
  })
}

async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let at = 0; at < all.length; at += atOnce) {
    done.push(...(await Promise.all(all.slice(at, at + atOnce).map(work))))
  }
  return done
}
