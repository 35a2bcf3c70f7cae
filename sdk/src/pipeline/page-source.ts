/** The pages of a stored index, one after the other, the next one read ahead. */
import { isFailure } from '../contracts/failures.ts'
import type { StoredChain } from '../repository/chain.ts'
import type { PageAddress } from '../repository/root.ts'

/** Pages read ahead of the engine. */
const ahead = 4

/**
 * A function that gives the next page at each call, undefined after the last. A page that is damaged is told to `lost`
 * and, unless that throws, passed over: what else there is can still be had.
 */
export function readPages(
  chain: StoredChain | undefined,
  lost: (page: PageAddress) => void,
): () => Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pages = chain?.root.pages ?? []
  const reading: Promise<Uint8Array<ArrayBuffer> | undefined>[] = []
  let asked = 0

  const readAhead = (): void => {
    while (reading.length < ahead && asked < pages.length) {
      const page = pages[asked++]
      if (chain === undefined || page === undefined) return
      const read = chain.readPage(page).catch((error: unknown) => {
        if (!isFailure(error) || (error.code !== 'damaged' && error.code !== 'hostile')) throw error
        lost(page)
        return undefined
      })
      read.catch(() => {})
      reading.push(read)
    }
  }
  let last: Promise<unknown> = Promise.resolve()
  const next = async (): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    for (;;) {
      readAhead()
      const page = reading.shift()
      if (page === undefined) return undefined
      readAhead()
      const bytes = await page
      if (bytes !== undefined) return bytes
    }
  }
  // Calls may overlap; each must wait for its turn.
  return () => {
    const turn = last.then(next)
    last = turn.catch(() => {})
    return turn
  }
}
