import { declareStorage, type Plugin } from '@freezer/sdk'
import { ftpOptions, ftpsOptions } from './options.ts'

/** A directory of an FTP server. Whoever is in between reads password and blobs. */
export const ftp = declareStorage({
  name: 'ftp',
  description: 'A directory of an FTP server, unprotected on the way',
  options: ftpOptions,
  async open(options, context, { create }) {
    const { openStorage } = await import('./open.ts')
    return openStorage(options, undefined, context, create)
  },
})

/** The same over TLS. */
export const ftps = declareStorage({
  name: 'ftps',
  description: 'A directory of an FTP server, over TLS',
  options: ftpsOptions,
  async open(options, context, { create }) {
    const { openStorage } = await import('./open.ts')
    return openStorage(options, options, context, create)
  },
})

export default { storages: [ftp, ftps] } satisfies Plugin
