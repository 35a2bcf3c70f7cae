/** `@freezer/sdk/storages`: what every storage needs beyond the contract, as wrappers with the same interface. */
export * from './mirrored.ts'
export { type RetryPolicy, retryDefaults, retrying, retryingOpen } from './retry.ts'
export * from './throttle.ts'
export * from './verify.ts'
