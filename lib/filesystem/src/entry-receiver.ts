/** Entries handed to an `EntryTarget`, through the same checks as those that are restored. */
import type { Entry, EntryDetails, EntryTarget, Failure } from '@freezer/sdk'
import type { IncomingFile, Need, Receiver } from './receiver.ts'

const nothing: EntryDetails = { attributes: [], device: { major: 0, minor: 0 } }
const noDevice = nothing.device

export class EntryReceiver implements Receiver {
  readonly #target: EntryTarget

  constructor(target: EntryTarget) {
    this.#target = target
  }

  need({ type }: Entry): Need {
    return type === 'file' && !this.#target.content ? 'metadata' : 'content'
  }

  foresee(entry: Entry): Need {
    return this.need(entry)
  }

  settle(entry: Entry, details: EntryDetails): Promise<boolean> {
    return this.#whole(entry, details)
  }

  directory(entry: Entry, details: EntryDetails): Promise<boolean> {
    return this.#whole(entry, details)
  }

  symlink(entry: Entry, details: EntryDetails): Promise<boolean> {
    return this.#whole(entry, details)
  }

  node(entry: Entry, { attributes, device, failure }: EntryDetails): Promise<boolean> {
    return this.#whole(entry, { attributes, device, failure })
  }

  link(entry: Entry): Promise<boolean> {
    return this.#whole(entry, nothing)
  }

  async file(entry: Entry, { attributes }: EntryDetails, content: Uint8Array): Promise<boolean> {
    await this.#target.begin(entry, { attributes, device: noDevice })
    if (content.length > 0) await this.#target.write(content, 0)
    await this.#target.end()
    return true
  }

  async begin(entry: Entry, { attributes }: EntryDetails): Promise<IncomingFile> {
    const target = this.#target
    await target.begin(entry, { attributes, device: noDevice })
    return {
      write: (content, position) => target.write(content, position),
      finish: async () => {
        await target.end()
        return true
      },
      discard: async (failure) => target.end(failure),
    }
  }

  keep(entry: Entry, failure: Failure): Promise<boolean> {
    return this.#whole(entry, { ...nothing, failure })
  }

  finish(): void {}

  abandon(): void {}

  async #whole(entry: Entry, { attributes, device, failure }: EntryDetails): Promise<boolean> {
    await this.#target.begin(entry, { attributes, device, failure })
    await this.#target.end(failure)
    return true
  }
}
