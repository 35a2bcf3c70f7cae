import { Failure } from '@freezer/sdk'

/** `promise`, or a failure `interrupted` as soon as `signal` is aborted; what comes of the promise then is nobody's. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: outcome, resolve, reject } = Promise.withResolvers<T>()
  const abort = () => reject(new Failure('interrupted', 'Interrupted.', { cause: signal.reason }))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  return outcome
}
