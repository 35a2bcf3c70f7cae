/** `@freezer/sdk/storages`: what every storage needs beyond the contract, as wrappers with the same interface. */
export * from './retry.ts'
export * from './throttle.ts'
export * from './verify.ts'
