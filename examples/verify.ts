/** Compares the newest backup with a directory: `node examples/verify.ts CONTAINER DIRECTORY`. */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { openRepository, openStorage, treeTarget, verify } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, directory] = process.argv.slice(2)
if (!container || !directory) throw new Error('usage: verify.ts CONTAINER DIRECTORY')

await using storage = await openStorage(local, { container })
const result = await verify(
  {
    repository: await openRepository({ storage, codecs: [zstd] }),
    engines: [tar],
    target: treeTarget(directory, { purpose: 'verify', remove: true }),
  },
  {
    report: (event) => {
      if (event.type !== 'finding') return
      const { action, path, differs } = event.finding
      console.log([action, path || '.', ...differs].join(' '))
    },
  },
)
console.log(
  result.equal ? 'equal' : `${result.changed} changed, ${result.missing} missing, ${result.extra} extra`,
)
process.exitCode = result.equal ? 0 : 1
