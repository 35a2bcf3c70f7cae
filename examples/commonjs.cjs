/**
 * From CommonJS, by a dynamic import: `node examples/commonjs.cjs CONTAINER` lists what is in it.
 */
async function main() {
  const { openRepository, openStorage, listBackups } = await import('@freezer/sdk')
  const { local } = await import('@freezer/storage-local')
  const [container] = process.argv.slice(2)
  const storage = await openStorage(local, { container })
  try {
    for await (const one of listBackups(await openRepository({ storage, codecs: [] }))) {
      console.log(`${one.time} ${one.host} ${one.name}`)
    }
  } finally {
    await storage.close()
  }
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
