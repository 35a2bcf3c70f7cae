/** What a host of plugins offers: the contracts of the framework, and the judgement on who may take part. */
export type * from '@freezer/sdk'
export type { Candidate, Load, Refusal, Registry } from './admission.ts'
export { admit } from './admission.ts'
