import { describe, test } from 'node:test'
import { codecContract } from '@freezer/sdk/testing'
import plugin from '../src/index.ts'

for (const codec of plugin.codecs) {
  describe(`${codec.name} keeps the contract`, () => {
    for (const check of codecContract({ codec })) test(check.name, check.run)
  })
}
