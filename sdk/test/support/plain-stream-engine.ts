// The simplest engine of streams, and ones that each break the contract in one way: `plain-stream-engine.ts?fault=3`.
import fs from 'node:fs'
import path from 'node:path'
import {
  bytePath,
  displayPath,
  type Engine,
  type EngineBackup,
  type EngineRestore,
  type Entry,
  Failure,
} from '@freezer/sdk'

interface Faults {
  readonly sources?: Engine['sources']
  /** What is done to each chunk before it is archived. */
  readonly chunk?: (chunk: Uint8Array, number: number) => Uint8Array
  readonly entry?: (entry: Entry) => Entry
  readonly twice?: boolean
  /** Content that is handed out, and restored. */
  readonly given?: (bytes: Uint8Array, position: number) => Uint8Array
  readonly hidesDamage?: boolean
  readonly readsAhead?: boolean
  readonly stopsAt?: number
}

const any = 'brings a stream of any size and name back'
const handed = 'hands out one entry, with the content that is asked for'
const damage = 'ends the content with a failure where stored data is damaged'

export const streamFaults: readonly (Faults & { readonly wrong: string; readonly caughtBy: string })[] = [
  { wrong: 'does not say so', caughtBy: 'says that it takes streams', sources: ['tree'] },
  {
    wrong: 'drops empty streams',
    caughtBy: any,
    entry: (entry) => ({ ...entry, name: entry.size === 0 ? 'x' : entry.name }),
  },
  {
    wrong: 'takes names for ASCII',
    caughtBy: any,
    entry: (entry) => ({ ...entry, name: entry.name.replaceAll(/[^ -~\n]/g, '?') }),
  },
  { wrong: 'trims names', caughtBy: any, entry: (entry) => ({ ...entry, name: entry.name.trim() || '_' }) },
  { wrong: 'keeps chunks beyond their time', caughtBy: any, readsAhead: true },
  {
    wrong: 'loses a byte of the first chunk',
    caughtBy: any,
    chunk: (chunk, number) => (number === 0 ? chunk.subarray(1) : chunk),
  },
  { wrong: 'stops early', caughtBy: any, stopsAt: 400_000 },
  {
    wrong: 'tells a smaller size',
    caughtBy: 'tells the size of the whole stream',
    entry: (entry) => ({ ...entry, size: Math.max(0, entry.size - 1) }),
  },
  {
    wrong: 'gives zeros for what is not text',
    caughtBy: 'keeps every backup of a name as it was',
    given: (bytes) => bytes.map((byte) => byte & 127),
  },
  { wrong: 'hands out a directory too', caughtBy: handed, twice: true },
  { wrong: 'calls it another type', caughtBy: handed, entry: (entry) => ({ ...entry, type: 'fifo' }) },
  { wrong: 'gives zeros for what is damaged', caughtBy: damage, hidesDamage: true },
]

const number = new URL(import.meta.url).searchParams.get('fault')
const faults: Faults = number === null ? {} : (streamFaults[Number(number)] ?? {})

async function backup({ source, archive, index, level, signal }: EngineBackup): Promise<void> {
  if (source.kind !== 'stream') throw new Failure('plugin', 'Only streams.')
  const { chunk: change = (chunk) => chunk, entry: told = (entry) => entry } = faults
  const late: Uint8Array[] = []
  let at = 0
  for await (const chunk of source.open(signal)) {
    if (faults.readsAhead === true) late.push(chunk)
    else await archive.write(change(chunk, at++))
    if (archive.position > (faults.stopsAt ?? Number.POSITIVE_INFINITY)) break
  }
  for (const chunk of late) await archive.write(chunk)
  const size = archive.position
  const time = { mtime: 0, mtimeNs: 0, ctime: 0, ctimeNs: -1 }
  const common = { mode: 0o700, uid: 0, gid: 0, inode: 0, link: '', ...time }
  const place = { level, offset: 0, length: size }
  if (faults.twice === true) {
    index.add({
      ...common,
      type: 'directory',
      directory: '',
      name: '',
      size: 0,
      place: { ...place, length: 0 },
    })
  }
  index.add(told({ ...common, type: 'file', directory: '', name: bytePath(source.name), size, place }))
}

async function restore({ target, entries, archive }: EngineRestore): Promise<void> {
  const { given = (bytes) => bytes } = faults
  while (await entries.more()) {
    for (let entry = entries.peek(); entry !== undefined; entry = entries.peek()) {
      entries.next()
      const chunks: Uint8Array[] = []
      const content = target.kind === 'tree' || target.content
      if (target.kind === 'entries')
        await target.begin(entry, { attributes: [], device: { major: 0, minor: 0 } })
      let failure: Failure | undefined
      for (let done = content ? 0 : entry.place.length; done < entry.place.length; ) {
        const bytes = await Promise.resolve()
          .then(() => archive.at(entry.place.level, entry.place.offset + done))
          .catch((error: Failure) => {
            failure = error
          })
        const part = bytes?.subarray(0, entry.place.length - done)
        if (part === undefined) break
        if (target.kind === 'entries') await target.write(given(part, done), done)
        else chunks.push(Uint8Array.from(given(part, done)))
        done += part.length
      }
      if (target.kind === 'entries') await target.end(faults.hidesDamage === true ? undefined : failure)
      else if (entry.type === 'file') {
        fs.mkdirSync(target.path, { recursive: true })
        fs.writeFileSync(path.join(target.path, displayPath(entry.name)), Buffer.concat(chunks))
      }
    }
  }
}

export function streamEngine(fault?: number): Engine {
  const module = fault === undefined ? import.meta.url : new URL(`?fault=${fault}`, import.meta.url).href
  return {
    name: 'plain-stream',
    description: 'The bytes',
    options: {},
    module,
    sources: (fault === undefined ? faults : streamFaults[fault])?.sources ?? ['stream'],
    incremental: false,
    backup,
    restore,
    list: async () => {
      throw new Failure('plugin', 'It lists nothing.')
    },
  }
}

export default { engines: [streamEngine(number === null ? undefined : Number(number))] }
