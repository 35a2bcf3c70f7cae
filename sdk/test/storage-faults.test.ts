import { test } from 'node:test'
import { memoryStorage, storageFaults } from '@freezer/sdk/testing'
import { plainEngine } from './support/plain-engine.ts'

const engine = { engine: plainEngine, options: {} }

for (const check of storageFaults({ open: async () => memoryStorage(), engine, strikes: 1 }))
  test(check.name, check.run)
