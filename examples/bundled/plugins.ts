/**
 * The plugins of a bundled program. Threads load engines and codecs anew, by their `module`: that is this file, as it is
 * called in the bundle.
 */
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import type { Plugin } from '@freezer/sdk'

const module = new URL('./plugins.js', import.meta.url).href

export const engine = { ...tar, module }
export const compression = { ...zstd, module }
export const encryption = { ...aes256Gcm, module }

export default { engines: [engine], codecs: [compression, encryption] } satisfies Plugin
