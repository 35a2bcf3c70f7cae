import { test } from 'node:test'
import type { Engine } from '@freezer/sdk'
import { engineContract } from '@freezer/sdk/testing'
import { describeTree, makeTree, seeded } from '../../../test/support/tree.ts'
import plugin from '../src/index.ts'

const [engine] = plugin.engines as [Engine]

/** All but how many blocks a file takes, which is the file system's business. */
function describe(directory: string): Record<string, unknown> {
  const described = [...describeTree(directory)].map(([path, { blocks, data, ...rest }]) => [
    path,
    // Without holes, where data lies depends on how it was written.
    blocks * 512 < rest.size ? { ...rest, data } : rest,
  ])
  return Object.fromEntries(described) as Record<string, unknown>
}

for (const check of engineContract({
  engine,
  makeTree: (directory) => makeTree(directory, seeded(7)),
  describe,
})) {
  test(check.name, check.run)
}
