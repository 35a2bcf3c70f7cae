import type { Answer, HttpRequest, Session } from '@freezer/openstack'

/** The one account of Swift that a session can use. */
export interface Account {
  /** Sends a request to `path`, which begins with a slash, and may have a query. */
  send(path: string, request: HttpRequest, signal: AbortSignal): Promise<Answer>
}

/** @throws Failure `not-found`, `configuration` when the cloud has no Swift, or not where it was looked for */
export function accountOf(session: Session): Account {
  const types = ['object-store']
  session.endpoint(types)
  return {
    send: (path, request, signal) => session.send(session.endpoint(types) + path, request, signal),
  }
}
