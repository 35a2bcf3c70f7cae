import { test } from 'node:test'
import { engineContract } from '@freezer/sdk/testing'
import { engine } from '../src/index.ts'

for (const check of engineContract({ engine })) test(check.name, check.run)
