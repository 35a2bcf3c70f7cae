// docs/writing-a-plugin.md, from an empty folder: its files are written, its commands run, in their order.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, test } from 'node:test'
import { runIn } from './support/packages.ts'
import { checkout, programFile, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('tutorial')
after(scratch.remove)

const text = fs.readFileSync(path.join(checkout, 'docs', 'writing-a-plugin.md'), 'utf8')
const blocks = [...text.matchAll(/^```(\w+) (?:file=(\S+)|run)\n(.*?)^```$/gms)]
const port = await freePort()

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

test('the tutorial works as it is written', async () => {
  const folder = path.join(scratch.path, 'kv')
  const bin = path.join(scratch.path, 'bin')
  for (const made of [bin, path.join(folder, 'node_modules', '@freezer')])
    fs.mkdirSync(made, { recursive: true })
  // What npm would install is here already.
  const modules = path.join(folder, 'node_modules')
  for (const name of ['@freezer/sdk', '@types', 'typescript']) {
    fs.symlinkSync(path.join(checkout, 'node_modules', name), path.join(modules, name))
  }
  const script = `#!/bin/sh\nexec "${process.execPath}" "${programFile}" "$@"\n`
  fs.writeFileSync(path.join(bin, 'freezer'), script, { mode: 0o755 })
  const environment = {
    ...process.env,
    NODE_TEST_CONTEXT: undefined,
    FREEZER_DATA_DIR: path.join(scratch.path, 'data'),
    PATH: `${bin}:${path.join(checkout, 'node_modules', '.bin')}:${process.env.PATH}`,
  }
  const files: string[] = []
  for (const [, language, file, content = ''] of blocks) {
    if (file !== undefined) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      fs.writeFileSync(path.join(folder, file), content)
      files.push(file)
      continue
    }
    assert.equal(language, 'sh')
    const commands = content.replaceAll('8099', String(port))
    const ended = await runIn(
      folder,
      environment,
      'bash',
      '-euc',
      `set -m; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${commands}`,
    )
    assert.equal(ended.status, 0, `${commands}\n${ended.stdout}${ended.stderr}`)
    if (commands.includes('npm test')) {
      const passed = commands.includes('create mode') ? /pass 1[4-9]$/m : /pass 2[1-9]$/m
      assert.match(ended.stdout, passed)
    }
    if (commands.includes('inspect'))
      assert.match(ended.stdout, /^Origin: +tarball, .*freezer-storage-kv-1\.0\.0\.tgz$/m)
  }
  assert.deepEqual(files, [
    'package.json',
    'tsconfig.json',
    'src/index.ts',
    'src/server.ts',
    'test/kv-server.ts',
    'test/contract.test.ts',
  ])
})

test('its links lead somewhere', () => {
  for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)\)/g)) {
    assert.ok(fs.existsSync(path.join(checkout, 'docs', link)), link)
  }
})
