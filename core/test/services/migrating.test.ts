// The commands of docs/migrating.md that need a server.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { password as ftpPassword, startFtpd } from '../../../test/services/ftpd.ts'
import { startSshd } from '../../../test/services/sshd.ts'
import { keeper, startSwift } from '../../../test/services/swift.ts'
import { blocks, type Places, runCommand } from '../../../test/support/migrating.ts'
import { scratchDirectory } from '../../../test/support/program.ts'
import { describeTree, differences, removeTree } from '../../../test/support/tree.ts'

const scratch = scratchDirectory('migrating')
after(() => removeTree(scratch.path))
const tree = path.join(scratch.path, 'tree')
fs.mkdirSync(tree)
fs.writeFileSync(path.join(tree, 'file'), 'content\n')
const restored = path.join(scratch.path, 'restored')

/** Where the server of a storage is, and what only a test has to say of it. */
const servers: Record<string, () => Promise<{ places: Places; environment: Record<string, string> }>> = {
  async ssh() {
    const server = await startSshd()
    after(() => server[Symbol.asyncDispose]())
    return {
      places: { 'nas.example.org': '127.0.0.1', '~/.ssh/id_rsa': server.key },
      environment: { FREEZER_SSH_PORT: String(server.port), FREEZER_SSH_KNOWN_HOSTS: server.knownHosts },
    }
  },
  async ftp() {
    const server = await startFtpd()
    after(() => server[Symbol.asyncDispose]())
    return {
      places: { 'ftp.example.org': '127.0.0.1', PASSWORD: `'${ftpPassword}'` },
      environment: { FREEZER_FTP_PORT: String(server.port) },
    }
  },
  async swift() {
    const server = await startSwift()
    after(() => server[Symbol.asyncDispose]())
    return {
      places: {},
      environment: { OS_AUTH_URL: server.authUrl, OS_USERNAME: keeper.user, OS_PASSWORD: keeper.key },
    }
  },
  async s3() {
    const server = await startSwift({ s3: true })
    after(() => server[Symbol.asyncDispose]())
    return {
      places: {
        'https://s3.example.org': new URL(server.authUrl).origin,
        KEY: keeper.user,
        SECRET: keeper.key,
      },
      environment: {},
    }
  },
}

for (const [storage, start] of Object.entries(servers)) {
  test(`commands for ${storage} run as they stand`, async () => {
    const { places, environment } = await start()
    const commands = blocks.filter((block) => block.storage === storage).flatMap((block) => block.commands)
    assert.ok(commands.length > 0)
    Object.assign(process.env, environment)
    for (const command of commands) {
      const { status, stderr } = await runCommand(command, {
        ...places,
        '/data': tree,
        '/restored': restored,
      })
      assert.equal(status, 0, `${command}: ${stderr}`)
      if (!command.includes('/restored')) continue
      assert.deepEqual(differences(describeTree(tree), describeTree(restored)), [], command)
      removeTree(restored)
    }
    for (const name of Object.keys(environment)) delete process.env[name]
  })
}
