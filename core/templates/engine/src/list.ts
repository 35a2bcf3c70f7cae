// Lists an archive from its bytes alone, for a container that has lost its index.
import {
  compareDirectories,
  type EngineList,
  type Entry,
  type EntryReader,
  entryPath,
  Failure,
} from '@freezer/sdk'

export async function readAll(reader: EntryReader | undefined): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  while (await reader?.more()) {
    for (let entry = reader?.peek(); entry !== undefined; entry = reader?.peek()) {
      entries.set(entryPath(entry), entry)
      reader?.next()
    }
  }
  return entries
}

export async function list(run: EngineList): Promise<void> {
  const entries = await readAll(run.previous)
  let line = ''
  for (let offset = 0; ; ) {
    const bytes = await run.archive.at(run.level, offset + line.length)
    if (bytes === undefined) throw new Failure('damaged', 'The archive is too short.')
    const end = bytes.indexOf(10)
    line += Buffer.from(bytes).toString('latin1', 0, end < 0 ? bytes.length : end + 1)
    if (end < 0) continue
    const found = JSON.parse(line) as Entry | string[]
    if (Array.isArray(found)) {
      for (const own of found) entries.delete(own)
      break
    }
    const length = line.length + found.size
    entries.set(entryPath(found), { ...found, place: { level: run.level, offset, length } })
    offset += length
    line = ''
  }
  const ordered = [...entries.values()].sort(
    (a, b) => compareDirectories(a.directory, b.directory) || (a.name < b.name ? -1 : 1),
  )
  for (const entry of ordered) run.index.add(entry)
}
