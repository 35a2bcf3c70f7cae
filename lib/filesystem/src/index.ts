export * from './libc.ts'
