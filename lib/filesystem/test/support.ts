/** Entries for a target, by what a test wants to say of them. */
import type { Entry, EntryDetails } from '@freezer/sdk'
import type { Metadata } from '../src/metadata.ts'

export function given(
  type: Entry['type'],
  directory: string,
  name: string,
  { attributes, ...metadata }: Metadata,
  more: Partial<Entry & EntryDetails> = {},
): [Entry, EntryDetails] {
  const entry: Entry = {
    type,
    directory,
    name,
    ...metadata,
    size: 0,
    ctime: 0,
    ctimeNs: -1,
    inode: 0,
    link: '',
    place: { level: 0, offset: 0, length: 0 },
    ...more,
  }
  return [entry, { attributes, device: more.device ?? { major: 0, minor: 0 } }]
}

export const directory = (path: string, metadata: Metadata) => given('directory', path, '', metadata)
export const file = (parent: string, name: string, metadata: Metadata, size = 0) =>
  given('file', parent, name, metadata, { size })
