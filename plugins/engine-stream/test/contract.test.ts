import { test } from 'node:test'
import { streamEngineContract } from '@freezer/sdk/testing'
import { stream } from '../src/index.ts'

for (const check of streamEngineContract({ engine: stream })) test(check.name, check.run)
