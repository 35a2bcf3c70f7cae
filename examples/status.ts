/** Says whether the newest backup of every name is young enough: `node examples/status.ts CONTAINER HOURS`. */
import { containerStatus, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, hours] = process.argv.slice(2)
if (!container || !hours) throw new Error('usage: status.ts CONTAINER HOURS')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [] })
const { names } = await containerStatus({ repository, maxAge: Number(hours) * 3_600_000 })
for (const { host, name, age, fresh } of names) {
  console.log(`${host} ${name}: ${(age / 3600).toFixed(1)} h old, ${fresh ? 'fresh' : 'too old'}`)
}
process.exitCode = names.every(({ fresh }) => fresh) ? 0 : 1
