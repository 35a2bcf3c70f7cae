import { declareStorage, type Plugin } from '@freezer/sdk'
import { s3Options } from './options.ts'

/** A bucket of Amazon S3, or of anything else that speaks its protocol. */
export const s3 = declareStorage({
  name: 's3',
  description: 'A bucket of Amazon S3 or of a service like it',
  options: s3Options,
  async open(options, context, { create }) {
    const { openStorage } = await import('./open.ts')
    return openStorage(options, context, create)
  },
})

export default { storages: [s3] } satisfies Plugin
