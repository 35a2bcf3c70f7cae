/** Backup: the bytes as they come, and one entry for them all. */
import { bytePath, type EngineBackup, Failure, throwIfAborted } from '@freezer/sdk'

/** What the output of a program may hold is for its owner. */
const ownerOnly = 0o600

/** @throws Failure `plugin` for a source that is no stream, and whatever the stream fails with */
export async function backup({ source, archive, index, count, level, signal }: EngineBackup): Promise<void> {
  if (source.kind !== 'stream') throw new Failure('plugin', 'The engine "stream" backs up streams alone.')
  const started = Date.now()
  for await (const chunk of source.open(signal)) {
    throwIfAborted(signal)
    await archive.write(chunk)
    count(0, chunk.length)
  }
  const size = archive.position
  const mtime = Math.floor(started / 1000)
  const mtimeNs = (started - mtime * 1000) * 1_000_000
  index.add({
    type: 'file',
    directory: '',
    name: bytePath(source.name),
    mode: ownerOnly,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size,
    mtime,
    mtimeNs,
    ctime: mtime,
    ctimeNs: -1,
    inode: 0,
    link: '',
    place: { level, offset: 0, length: size },
  })
  count(1, 0)
}
