/** The bandwidth limits of a run, under the names of the options that set them; each can be changed while it runs. */
import { Failure, spell } from '@freezer/sdk'
import { Bandwidth } from '@freezer/sdk/storages'
import { prefixedName } from './second.ts'

/** Bytes a second by the name of an option; null for no limit. */
export type LimitValues = Readonly<Record<string, number | null>>

export class Limits {
  /** Several where a run has several storages. */
  readonly #bandwidths = new Map<string, Bandwidth[]>()

  /** A bandwidth that `option` limits: `uploadLimit`, or `toUploadLimit` where its container has the prefix `to`. */
  bandwidth(option: string, prefix: string | undefined, rate: number | undefined): Bandwidth {
    const name = prefix === undefined ? option : prefixedName(prefix, option)
    const bandwidth = new Bandwidth(rate)
    this.#bandwidths.set(name, [...(this.#bandwidths.get(name) ?? []), bandwidth])
    return bandwidth
  }

  get values(): LimitValues {
    return Object.fromEntries(Array.from(this.#bandwidths, ([name, [first]]) => [name, first?.rate ?? null]))
  }

  /** @throws Failure `usage` for a limit that the run does not have; then none is changed */
  change(values: LimitValues): void {
    const unknown = Object.keys(values).find((name) => !this.#bandwidths.has(name))
    if (unknown !== undefined) throw new Failure('usage', `That run has no --${spell(unknown, '-')}.`)
    for (const [name, rate] of Object.entries(values)) {
      for (const bandwidth of this.#bandwidths.get(name) ?? []) bandwidth.rate = rate ?? undefined
    }
  }
}
