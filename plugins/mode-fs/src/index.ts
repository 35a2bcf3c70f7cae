import { declareMode, type Plugin } from '@freezer/sdk'

export const fsMode = declareMode({
  name: 'fs',
  description: 'Files and directories of this machine',
  options: {
    pathToBackup: { type: 'path', short: 'F', value: 'PATH', required: true, help: 'The same as PATH' },
    exclude: {
      type: 'list',
      value: 'PATTERN',
      help:
        'Leave out what matches; may be given several times\n' +
        'Patterns are those of GNU tar --exclude: they match at any depth, and * matches / too.',
    },
    oneFileSystem: { type: 'boolean', help: 'Stay on the file system of PATH' },
    dereferenceSymlink: {
      type: 'string',
      choices: ['none', 'soft', 'hard', 'all'],
      default: 'none',
      help: 'Store what symbolic links point to (soft), every name of a file for itself (hard), or both',
    },
  },
  async open({ pathToBackup, exclude, oneFileSystem, dereferenceSymlink }) {
    const { findSource } = await import('./source.ts')
    const path = await findSource(pathToBackup)
    return {
      async *resources() {
        // What is left out is nothing extra to a comparison.
        yield { name: '', path, facts: { path, ...(exclude.length > 0 ? { exclude } : {}) } }
      },
      source: async (_, shownAt = path) => ({
        kind: 'tree',
        path: shownAt,
        exclude,
        oneFileSystem,
        dereference: dereferenceSymlink,
      }),
      [Symbol.asyncDispose]: async () => {},
    }
  },
  async target(destination, facts) {
    const { comparedTree, prepareTarget } = await import('./target.ts')
    return destination.purpose === 'verify'
      ? comparedTree(destination.destination, facts)
      : prepareTarget(destination)
  },
})

export default { modes: [fsMode] } satisfies Plugin
