/** Registers the codec contract for one codec: in files of their own, slow codecs run beside each other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codecContract } from '@freezer/sdk/testing'
import plugin from '../src/index.ts'

export function contractTests(name: string): void {
  const codec = plugin.codecs.find((other) => other.name === name)
  assert.ok(codec, name)
  describe(`${name} keeps the contract`, () => {
    for (const check of codecContract({ codec })) test(check.name, check.run)
  })
}
