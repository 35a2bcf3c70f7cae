/** The engine `tar`, with one record that cannot be read: that of a file named `victim`. Every block of it is as stored. */
import { tar } from '@freezer/engine-tar'
import { type ArchiveWriter, declareEngine, type EngineBackup, type Plugin } from '@freezer/sdk'

/** Where the checksum stands in a tar header. */
const checksum = 148

function spoiling(archive: ArchiveWriter): ArchiveWriter {
  let space = new Uint8Array(0)
  const spoil = (bytes: Uint8Array): void => {
    const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('victim\0')
    if (at >= 0) bytes[at + checksum] = 0x78
  }
  return {
    get position() {
      return archive.position
    },
    write(bytes) {
      const copy = Uint8Array.from(bytes)
      spoil(copy)
      return archive.write(copy)
    },
    space() {
      space = archive.space() as typeof space
      return space
    },
    commit(length) {
      spoil(space.subarray(0, length))
      return archive.commit(length)
    },
  }
}

export const lying = declareEngine({
  ...tar,
  module: import.meta.url,
  backup: (run: EngineBackup) =>
    tar.backup({ ...run, archive: spoiling(run.archive) } as Parameters<typeof tar.backup>[0]),
})

export default { engines: [lying] } satisfies Plugin
