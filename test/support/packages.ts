/** The packages as a user gets them: packed, from a registry, into an empty folder, on a machine without a compiler. */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { checkout, type Ended } from './program.ts'

/** Packs every package of the workspace that is published into `directory`. Returns the tarballs. */
export function packAll(directory: string): string[] {
  fs.mkdirSync(directory, { recursive: true })
  const folders = ['sdk', 'core', ...['lib', 'plugins'].flatMap(foldersOf)]
  return pack(
    folders.map((folder) => path.join(checkout, folder)),
    directory,
  )
}

function foldersOf(area: string): string[] {
  return fs
    .readdirSync(path.join(checkout, area))
    .map((name) => path.join(area, name))
    .filter((folder) => fs.existsSync(path.join(checkout, folder, 'package.json')))
}

/** Packs the packages in `folders`. Returns the tarballs. */
export function pack(folders: readonly string[], directory: string): string[] {
  const words = ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', directory]
  const told = execFileSync('npm', [...words, ...folders], {
    cwd: directory,
    encoding: 'utf8',
    env: cleanEnvironment(),
  })
  const found: unknown = JSON.parse(told)
  const packed = (Array.isArray(found) ? found : Object.values(Object(found))) as { filename: string }[]
  return packed.map(({ filename }) => path.join(directory, filename))
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly freezer?: object
}

/** `package.json` of a tarball. */
export function manifestOf(tarball: string): Manifest {
  return JSON.parse(execFileSync('tar', ['xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }))
}

export interface Registry extends AsyncDisposable {
  readonly url: string
  /** Makes a tarball the newest version of its package. */
  publish(tarball: string): void
}

/** A registry on 127.0.0.1 that has nothing but what is published to it. */
export async function startRegistry(): Promise<Registry> {
  const packuments = new Map<
    string,
    { name: string; 'dist-tags': object; versions: Record<string, object> }
  >()
  const tarballs = new Map<string, string>()
  const server = http.createServer((request, response) => {
    const wanted = decodeURIComponent(request.url ?? '/').slice(1)
    const tarball = tarballs.get(wanted)
    // Nothing of what is said here is kept: a later run has another registry of the same address.
    response.setHeader('cache-control', 'no-store')
    if (tarball !== undefined) return response.end(fs.readFileSync(tarball))
    const packument = packuments.get(wanted)
    response.setHeader('content-type', 'application/json')
    response.statusCode = packument === undefined ? 404 : 200
    return response.end(JSON.stringify(packument ?? { error: 'not found' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url,
    publish(tarball) {
      const manifest = manifestOf(tarball)
      const { name, version } = manifest
      const file = `${name}/-/${version}.tgz`
      const integrity = `sha512-${createHash('sha512').update(fs.readFileSync(tarball)).digest('base64')}`
      const versions = packuments.get(name)?.versions ?? {}
      versions[version] = { ...manifest, dist: { tarball: `${url}${file}`, integrity } }
      packuments.set(name, { name, 'dist-tags': { latest: version }, versions })
      tarballs.set(file, tarball)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** This process's environment without what an npm around it says of this workspace. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_config_globalconfig$|FREEZER_|NODE_TEST)/.test(
        name,
      ),
  )
  return Object.fromEntries(kept)
}

/**
 * An environment whose PATH leads to Node, npm and a few tools of the system alone, and whose npm takes packages of `scopes` from
 * `registry` and all others from where this machine takes them, or from what it has of them.
 */
export function userEnvironment(
  directory: string,
  registry: string,
  scopes: readonly string[],
): NodeJS.ProcessEnv {
  const bin = path.join(directory, 'bin')
  fs.mkdirSync(bin, { recursive: true })
  fs.symlinkSync(process.execPath, path.join(bin, 'node'))
  const npm = fs.realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim())
  fs.writeFileSync(path.join(bin, 'npm'), `#!/bin/sh\nexec "${process.execPath}" "${npm}" "$@"\n`, {
    mode: 0o755,
  })
  for (const tool of ['sh', 'env', 'cp']) fs.symlinkSync(`/usr/bin/${tool}`, path.join(bin, tool))
  // What the machine says to all of its users stays; npm takes no scopes from the environment.
  const common = execFileSync('npm', ['config', 'get', 'globalconfig'], { encoding: 'utf8' }).trim()
  const npmrc = path.join(directory, 'npmrc')
  const kept = fs.existsSync(common) ? fs.readFileSync(common, 'utf8') : ''
  fs.writeFileSync(npmrc, `${kept}\n${scopes.map((scope) => `${scope}:registry=${registry}\n`).join('')}`)
  return {
    ...cleanEnvironment(),
    PATH: bin,
    COLUMNS: '100',
    FREEZER_DATA_DIR: path.join(directory, 'data'),
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_globalconfig: npmrc,
  }
}

/** Runs a program of that PATH while the registry of this process answers. */
export function runIn(
  cwd: string,
  environment: NodeJS.ProcessEnv,
  program: string,
  ...words: readonly string[]
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? undefined, stdout, stderr }))
  })
}
