import { declareStorage, type Plugin } from '@freezer/sdk'

export const storage = declareStorage({
  name: 'template',
  description: 'Blobs in an SQLite file',
  options: {
    container: { type: 'path', value: 'FILE', required: true, help: 'File to keep backups in' },
  },
  async open({ container }, _context, { create }) {
    const { openBlobs } = await import('./blobs.ts')
    return openBlobs(container, create)
  },
})

export default { storages: [storage] } satisfies Plugin
