// The simplest engine that keeps the contract: content back to back, no headers, regular files and directories only.
import fs from 'node:fs'
import path from 'node:path'
import {
  declareEngine,
  displayPath,
  type EngineBackup,
  type EngineRestore,
  type Entry,
  type EntryReader,
  entryPath,
  Failure,
  isFailure,
  type TreeSource,
} from '@freezer/sdk'

function* walk(
  root: string,
  directory: string,
): Generator<{ directory: string; name: string; stat: fs.BigIntStats }> {
  const at = path.join(root, displayPath(directory))
  yield { directory, name: '', stat: fs.lstatSync(at, { bigint: true }) }
  const names = fs.readdirSync(at, { encoding: 'latin1' }).sort()
  const stats = names.map((name) => fs.lstatSync(path.join(at, displayPath(name)), { bigint: true }))
  for (const [i, name] of names.entries()) {
    const stat = stats[i]
    if (stat?.isFile()) yield { directory, name, stat }
  }
  for (const [i, name] of names.entries()) {
    if (stats[i]?.isDirectory()) yield* walk(root, directory === '' ? name : `${directory}/${name}`)
  }
}

async function readAll(reader: EntryReader | undefined): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  while (await reader?.more()) {
    for (let entry = reader?.peek(); entry !== undefined; entry = reader?.peek()) {
      entries.set(`${entry.type} ${entryPath(entry)}`, entry)
      reader?.next()
    }
  }
  return entries
}

async function backup(run: EngineBackup): Promise<void> {
  const source = run.source as TreeSource
  const previous = await readAll(run.previous)
  for (const { directory, name, stat } of walk(source.path, '')) {
    const entry: Entry = {
      type: stat.isDirectory() ? 'directory' : 'file',
      directory,
      name,
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: stat.isFile() ? Number(stat.size) : 0,
      mtime: Number(stat.mtimeNs / 1_000_000_000n),
      mtimeNs: Number(stat.mtimeNs % 1_000_000_000n),
      ctime: Number(stat.ctimeNs / 1_000_000_000n),
      ctimeNs: Number(stat.ctimeNs % 1_000_000_000n),
      inode: Number(stat.ino),
      link: '',
      place: { level: run.level, offset: run.archive.position, length: 0 },
    }
    const before = previous.get(`${entry.type} ${entryPath(entry)}`)
    if (before?.ctime === entry.ctime && before.ctimeNs === entry.ctimeNs) {
      entry.place = before.place
    } else if (entry.type === 'file') {
      const content = fs.readFileSync(path.join(source.path, displayPath(entryPath(entry))))
      await run.archive.write(content)
      entry.place.length = content.length
      entry.size = content.length
    }
    run.index.add(entry)
    run.count(1, entry.size)
  }
  await run.archive.write(Buffer.from('end'))
}

async function restore(run: EngineRestore): Promise<void> {
  if (run.target.kind !== 'tree') throw new Failure('plugin', 'Only trees.')
  const root = run.target.path
  while (await run.entries.more()) {
    for (let entry = run.entries.peek(); entry !== undefined; entry = run.entries.peek()) {
      run.entries.next()
      const file = path.join(root, displayPath(entryPath(entry)))
      if (entry.type === 'directory') {
        fs.mkdirSync(file, { recursive: true })
        continue
      }
      const fd = fs.openSync(`${file}.part`, 'w', entry.mode)
      try {
        const { level, offset, length } = entry.place
        for (let done = 0; done < length; ) {
          const bytes = (await run.archive.at(level, offset + done))?.subarray(0, length - done)
          if (bytes === undefined) throw new Failure('damaged', 'The archive is too short.')
          fs.writeSync(fd, bytes)
          done += bytes.length
        }
        fs.renameSync(`${file}.part`, file)
        run.count(1, length)
      } catch (error) {
        if (!isFailure(error) || error.code !== 'damaged') throw error
        fs.rmSync(`${file}.part`)
        run.warn({ kind: 'unrestored', path: displayPath(entryPath(entry)), message: error.message })
      } finally {
        fs.closeSync(fd)
      }
    }
  }
}

export const plainEngine = declareEngine({
  name: 'plain',
  description: 'Regular files, back to back',
  options: {},
  module: import.meta.url,
  backup,
  restore,
  list: () => Promise.reject(new Failure('plugin', 'This engine keeps no headers to list.')),
})

export default { engines: [plainEngine] }
