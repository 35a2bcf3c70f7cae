/**
 * Compression, block by block. Every encoded block is a whole file of its kind, and such files may be joined: the
 * blocks of a backup one after another unpack with `zstd -d`, `gunzip`, `bunzip2`, `xz -d`.
 *
 * A codec's own module is loaded by `open`, so that loading the plugin costs nothing.
 */
import { declareCodec, type Plugin } from '@freezer/sdk'

const common = { kind: 'compress', authenticated: false, module: import.meta.url } as const

export const zstd = declareCodec({
  ...common,
  name: 'zstd',
  description: 'Zstandard: fast, and the default',
  options: {
    zstdLevel: {
      type: 'integer',
      min: 1,
      max: 22,
      default: 2,
      help: 'Level of zstd, 1 (fast) to 22 (small)',
    },
  },
  expansion: (size) => (size >> 8) + 512,
  open: async (options) => (await import('./zstd.ts')).openZstd(options.zstdLevel),
})

export const gzip = declareCodec({
  ...common,
  name: 'gzip',
  description: 'gzip: understood everywhere',
  options: {
    gzipLevel: { type: 'integer', min: 1, max: 9, default: 6, help: 'Level of gzip, 1 (fast) to 9 (small)' },
  },
  expansion: (size) => (size >> 10) + 64,
  open: async (options) => (await import('./gzip.ts')).openGzip(options.gzipLevel),
})

export const bzip2 = declareCodec({
  ...common,
  name: 'bzip2',
  description: 'bzip2, by the program of that name',
  options: {
    bzip2Level: {
      type: 'integer',
      min: 1,
      max: 9,
      default: 9,
      help: 'Level of bzip2, 1 (fast) to 9 (small)',
    },
  },
  expansion: (size) => (size >> 6) + 640,
  open: async (options) => (await import('./bzip2.ts')).openBzip2(options.bzip2Level),
})

export const xz = declareCodec({
  ...common,
  name: 'xz',
  description: 'xz, by the program of that name: small and slow',
  options: {
    xzLevel: { type: 'integer', min: 0, max: 9, default: 6, help: 'Level of xz, 0 (fast) to 9 (small)' },
  },
  expansion: (size) => (size >> 10) + 256,
  open: async (options) => (await import('./xz.ts')).openXz(options.xzLevel),
})

export default { codecs: [zstd, gzip, bzip2, xz] } satisfies Plugin
