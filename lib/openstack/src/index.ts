/** A client of OpenStack: who logs in, where the services are, and requests to them. */
export { fromStatus } from './answers.ts'
export type { Answer, HttpRequest } from './http.ts'
export { type OpenstackOptions, openstackOptions } from './options.ts'
export { Session } from './session.ts'
