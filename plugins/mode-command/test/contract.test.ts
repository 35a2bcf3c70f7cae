import fs from 'node:fs'
import { describe, test } from 'node:test'
import { modeContract } from '@freezer/sdk/testing'
import { commandMode as mode } from '../src/index.ts'

const openHandles = () => fs.readdirSync('/proc/self/fd').length

for (const [what, command] of [
  ['a program', 'echo content'],
  ['a program of much output', "sh -c 'seq 100000'"],
  ['a program that says nothing', 'true'],
] as const) {
  describe(what, () => {
    for (const check of modeContract({
      mode,
      options: { command, streamName: 'dump' },
      missing: { command: '/no/such/program' },
      restoresTo: 'file',
      openHandles,
    })) {
      test(check.name, check.run)
    }
  })
}
