import { constants } from 'node:os'
import { Failure } from '@freezer/sdk'

/** The real one, whatever stands in its place while a plugin is loaded. */
const exit = process.exit.bind(process)
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Listens for the wish to stop: the first signal aborts, so that the work can be ended in order; the second ends the
 * program at once. Dispose it when the work is done.
 */
export function interruption(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController()
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) exit(128 + constants.signals[name])
    controller.abort(new Failure('interrupted', 'Interrupted.'))
  }
  for (const name of signals) process.on(name, listener)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, listener)
    },
  }
}
