/**
 * Index of the last item that does not come after what is looked for, -1 for none.
 * @param compare ascends along `items`: positive from the first one that comes after
 */
export function lastAtMost<T>(items: readonly T[], compare: (item: T) => number): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(items[middle] as T) <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}
