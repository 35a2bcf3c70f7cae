/** Counts what a run does and tells its host, a few times a second. */
import type { Context, Warning } from '../contracts/context.ts'

/** Milliseconds between two reports. */
const interval = 100

export class Meter {
  readonly #context: Context
  readonly #phase: string
  readonly #total: number | undefined
  #last = 0
  entries = 0
  bytes = 0
  stored = 0
  readonly warnings: Record<Warning['kind'], number> = {
    unread: 0,
    changed: 0,
    skipped: 0,
    unrestored: 0,
    metadata: 0,
  }

  constructor(context: Context, phase: string, total?: number) {
    this.#context = context
    this.#phase = phase
    this.#total = total
  }

  count(entries: number, bytes: number): void {
    this.entries += entries
    this.bytes += bytes
    this.#tell()
  }

  transferred(bytes: number): void {
    this.stored += bytes
    this.#tell()
  }

  warn(warning: Warning): void {
    this.warnings[warning.kind]++
    this.#context.report({ type: 'warning', warning })
  }

  /** Tells the final numbers. */
  end(): void {
    this.#last = 0
    this.#tell()
  }

  #tell(): void {
    const now = performance.now()
    if (now - this.#last < interval) return
    this.#last = now
    const { entries, bytes, stored } = this
    const progress = { phase: this.#phase, entries, bytes, stored, total: this.#total }
    this.#context.report({ type: 'progress', progress })
  }
}
