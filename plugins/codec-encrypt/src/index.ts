/**
 * Encryption, block by block. A codec's own module is loaded by `open`, so that loading the plugin costs nothing.
 */
import { declareCodec, type Plugin } from '@freezer/sdk'

const common = { kind: 'encrypt', options: {}, module: import.meta.url } as const

export const aes256Gcm = declareCodec({
  ...common,
  name: 'aes-256-gcm',
  description: 'AES-256-GCM: authenticated, fast, and the default',
  authenticated: true,
  expansion: () => 16,
  open: async (_options, secret) => (await import('./aes-256-gcm.ts')).openAes256Gcm(secret),
})

export const xchacha20Poly1305 = declareCodec({
  ...common,
  name: 'xchacha20-poly1305',
  description: 'XChaCha20-Poly1305: authenticated, for machines without AES instructions',
  authenticated: true,
  expansion: () => 16,
  open: async (_options, secret) => (await import('./xchacha20-poly1305.ts')).openXchacha20Poly1305(secret),
})

export const aes256Cfb = declareCodec({
  ...common,
  name: 'aes-256-cfb',
  description:
    'AES-256-CFB as "openssl enc" writes it: not authenticated by itself, only by the digests of the repository',
  authenticated: false,
  usesPassphrase: true,
  expansion: () => 16,
  open: async (_options, secret) => (await import('./aes-256-cfb.ts')).openAes256Cfb(secret),
})

export default { codecs: [aes256Gcm, xchacha20Poly1305, aes256Cfb] } satisfies Plugin
