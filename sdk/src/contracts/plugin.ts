/**
 * A plugin is a plain object, the default export of its package; loading it does nothing. What it provides stands also
 * in its `package.json`, so that discovery and admission need no code of it:
 *
 *     "freezer": { "api": "1.1", "provides": { "storage": ["local"] } }
 */
import type { Codec } from './codec.ts'
import type { Engine } from './engine.ts'
import type { Mode } from './mode.ts'
import type { Notifier } from './notifier.ts'
import type { ContainerReader } from './reader.ts'
import type { SnapshotProvider } from './snapshot.ts'
import type { StorageDriver } from './storage.ts'

/**
 * Version of the contracts: a host loads plugins of the same major and of a minor that is not newer.
 * 1.1 has notifiers; 1.2 has streams, snapshots that are made, and readers of what other programs stored.
 */
export const apiVersion = '1.2'

export const providerKinds = ['mode', 'snapshot', 'engine', 'codec', 'storage', 'notifier', 'reader'] as const
export type ProviderKind = (typeof providerKinds)[number]

// Method parameters are bivariant on purpose: a list holds drivers of many option types, and only checked
// options of its own declarations are ever given to a driver.
export interface Plugin {
  readonly modes?: readonly Mode[]
  readonly snapshots?: readonly SnapshotProvider[]
  readonly engines?: readonly Engine[]
  readonly codecs?: readonly Codec[]
  readonly storages?: readonly StorageDriver[]
  readonly notifiers?: readonly Notifier[]
  readonly readers?: readonly ContainerReader[]
}

/** The `freezer` member of a plugin's `package.json`. */
export interface PluginManifest {
  readonly api: string
  readonly provides: Partial<Record<ProviderKind, readonly string[]>>
}

export interface ProviderOf {
  mode: Mode
  snapshot: SnapshotProvider
  engine: Engine
  codec: Codec
  storage: StorageDriver
  notifier: Notifier
  reader: ContainerReader
}

/** Every provider of `kind` that `plugin` holds. */
export function providers<K extends ProviderKind>(plugin: Plugin, kind: K): readonly ProviderOf[K][] {
  const members = {
    mode: plugin.modes,
    snapshot: plugin.snapshots,
    engine: plugin.engines,
    codec: plugin.codecs,
    storage: plugin.storages,
    notifier: plugin.notifiers,
    reader: plugin.readers,
  }
  return (members[kind] ?? []) as readonly ProviderOf[K][]
}
