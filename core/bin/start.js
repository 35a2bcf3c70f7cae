// Any Node since 18 can read this file, so that an old one gets a sentence instead of a syntax error. In a checkout,
// where npm installed a newer Node as a package, that one takes over.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import nodeModule from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)

/**
 * Runs a program of this package.
 *
 * @param {string} script the file that was started
 * @param {string} module where the program begins, relative to this file
 */
export async function start(script, module) {
  if (major > 24 || (major === 24 && minor >= 12)) {
    nodeModule.enableCompileCache()
    const { main } = await import(module)
    await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)))
    return
  }
  const node = installedNode()
  if (node === undefined) {
    process.stderr.write(
      `freezer: Freezer needs Node 24.12 or newer; this is Node ${process.versions.node}.\n`,
    )
    process.exitCode = 2
  } else runWith(node, script)
}

function installedNode() {
  try {
    const home = nodeModule.createRequire(import.meta.url).resolve('node/package.json')
    const node = fileURLToPath(new URL('bin/node', `file://${home}`))
    return existsSync(node) && realpathSync(node) !== realpathSync(process.execPath) ? node : undefined
  } catch {
    return undefined
  }
}

function runWith(node, script) {
  const child = spawn(node, [...process.execArgv, script, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // Ctrl-C reaches the whole group of processes: the child has had it too.
    process.on(name, () => (name === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(name)))
  }
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + constants.signals[signal] : code
  })
}
