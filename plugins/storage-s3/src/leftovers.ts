/** Uploads in parts that a killed run left behind: they are not seen, and cost as much as what is. */
import { isKey, throwIfAborted } from '@freezer/sdk'
import { decodeName } from './listing.ts'
import type { Place } from './objects.ts'
import { contentsOf, textOf } from './xml.ts'

/** Milliseconds after which an upload is nobody's: more than a large blob takes on a slow line. */
const stale = 7 * 86_400_000

/** Bytes of a page of uploads, of which there are 1000. */
const longestPage = 16 * 1024 * 1024

/**
 * Gives up uploads below the prefix that were begun a week before `now` (milliseconds since 1970). Without a prefix none is known to be
 * Freezer's, so none is touched. One page of them: the next call finds those behind.
 * @throws Failure when the service does not list or end uploads, or may not be asked to
 */
export async function dropLeftovers(
  { bucket, prefix }: Place,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  if (prefix === '') return
  const what = `list the uploads in the bucket ${bucket.name}`
  const query = { 'encoding-type': 'url', prefix, uploads: '' }
  const answer = await bucket.send({ method: 'GET', query }, signal)
  if (answer.status !== 200) return bucket.refuse(answer, what, signal)
  const [result = ''] = contentsOf(await answer.text(longestPage), 'ListMultipartUploadsResult')
  const decode = textOf(result, 'EncodingType') === 'url' ? decodeName : (name: string) => name
  for (const upload of contentsOf(result, 'Upload')) {
    throwIfAborted(signal)
    const object = decode(textOf(upload, 'Key') ?? '')
    const id = textOf(upload, 'UploadId') ?? ''
    const begun = Date.parse(textOf(upload, 'Initiated') ?? '')
    const own = object.startsWith(prefix) && isKey(object.slice(prefix.length))
    if (!own || id === '' || !(begun < now - stale)) continue
    const found = await bucket.send({ method: 'HEAD', object }, signal)
    await found.discard()
    // Where there is an object it may be made of these parts, if the service was ended between the two.
    if (found.status !== 404) continue
    const dropped = await bucket.send({ method: 'DELETE', object, query: { uploadId: id } }, signal)
    if (dropped.status >= 300) await bucket.refuse(dropped, `drop an upload of ${object}`, signal)
    await dropped.discard()
  }
}
