import { test } from 'node:test'
import { codecContract } from '@freezer/sdk/testing'
import { codec } from '../src/index.ts'

for (const check of codecContract({ codec })) test(check.name, check.run)
