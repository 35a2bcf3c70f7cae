import { declareCodec, type Plugin } from '@freezer/sdk'

export const codec = declareCodec({
  name: 'template',
  description: 'Brotli: small, and slower than zstd',
  kind: 'compress',
  authenticated: false,
  options: {
    brotliQuality: { type: 'integer', default: 4, min: 0, max: 11, help: 'From 0, fast, to 11, small' },
  },
  module: import.meta.url,
  expansion: (size) => 64 + (size >> 12),
  async open({ brotliQuality }) {
    const { brotli } = await import('./brotli.ts')
    return brotli(brotliQuality)
  },
})

export default { codecs: [codec] } satisfies Plugin
