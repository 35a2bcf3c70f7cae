/** The blob that says that this is a container, and of which version. */
export const marker = { format: 'freezer container', version: 1 } as const

/** Whether `bytes` are a marker, of this version or another. */
export function isMarker(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && parseMarker(Buffer.from(bytes).toString('utf8'))?.format === marker.format
}

/** What a marker says; undefined for what is none. */
export function parseMarker(text: string): Partial<Record<keyof typeof marker, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

export function markerBytes(): Buffer {
  return Buffer.from(`${JSON.stringify(marker)}\n`)
}
