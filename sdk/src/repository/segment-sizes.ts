/** The segments of a container and their sizes, from one listing. */
import type { Storage } from '../contracts/storage.ts'
import { parseSegment, type StreamName, segmentsPrefix } from './names.ts'

type Sizes = Record<StreamName, number[]>

export class SegmentSizes {
  readonly #sizes = new Map<string, Sizes>()

  /** @param of id of one backup; without it, the segments of all */
  static async list(storage: Storage, signal: AbortSignal, of?: string): Promise<SegmentSizes> {
    const found = new SegmentSizes()
    const prefix = of === undefined ? segmentsPrefix : `${segmentsPrefix}${of}/`
    for await (const { key, size } of storage.list(prefix, signal)) {
      const segment = parseSegment(key)
      if (segment === undefined) continue
      const { id, stream, number } = segment
      let sizes = found.#sizes.get(id)
      if (sizes === undefined) found.#sizes.set(id, (sizes = { data: [], index: [] }))
      sizes[stream][number] = size
    }
    return found
  }

  /** Bytes of a segment; undefined when it is not there. */
  size(id: string, stream: StreamName, number: number): number | undefined {
    return this.#sizes.get(id)?.[stream][number]
  }

  /** Bytes of all segments of a stream. */
  bytes(id: string, stream: StreamName): number {
    let bytes = 0
    this.#sizes.get(id)?.[stream].forEach((size) => {
      bytes += size
    })
    return bytes
  }

  /** The segments of ids that are not among `known`: how many, and their bytes. */
  others(known: ReadonlySet<string>): { segments: number; bytes: number } {
    const others = { segments: 0, bytes: 0 }
    for (const [id, { data, index }] of this.#sizes) {
      if (known.has(id)) continue
      for (const sizes of [data, index]) {
        sizes.forEach((size) => {
          others.segments++
          others.bytes += size
        })
      }
    }
    return others
  }
}
