import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { modeContract } from '@freezer/sdk/testing'
import { fsMode as mode } from '../src/index.ts'

const tree = fs.mkdtempSync(path.join(os.tmpdir(), 'mode-fs-contract-'))
after(() => fs.rmSync(tree, { recursive: true }))
fs.writeFileSync(path.join(tree, 'file'), 'x')
const missing = { pathToBackup: path.join(tree, 'none') }
const openHandles = () => fs.readdirSync('/proc/self/fd').length

for (const pathToBackup of [tree, path.join(tree, 'file')]) {
  describe(`of a ${pathToBackup === tree ? 'directory' : 'file'}`, () => {
    const options = { pathToBackup, exclude: ['*.o'] }
    for (const check of modeContract({ mode, options, missing, openHandles })) test(check.name, check.run)
  })
}
