/** The blob that says that this is a container, and of which version. */
export const marker = { format: 'freezer container', version: 1 } as const

export function markerBytes(): Buffer {
  return Buffer.from(`${JSON.stringify(marker)}\n`)
}
