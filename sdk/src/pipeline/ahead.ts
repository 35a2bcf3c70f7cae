/** Work on one item after the other, some of it begun ahead: for answers that take time to come. */

/**
 * What `work` gives for each item, in their order, with up to `limit` of them under way. The first failure ends it, when
 * it is the turn of its item.
 */
export async function* ahead<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const begun: Promise<R>[] = []
  for await (const item of items) {
    const promise = work(item)
    // It is met in its turn; until then it must not count as unhandled.
    promise.catch(() => {})
    begun.push(promise)
    if (begun.length >= limit) yield (await begun.shift()) as R
  }
  while (begun.length > 0) yield (await begun.shift()) as R
}
