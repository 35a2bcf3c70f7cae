import { test } from 'node:test'
import { memoryStorage, storageFaults } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../core/templates/engine/src/index.ts'

const engine = { engine: plainEngine, options: {} }

for (const check of storageFaults({ open: async () => memoryStorage(), engine, strikes: 1 }))
  test(check.name, check.run)
