/**
 * s3rver: a small implementation of S3 from npm, in a folder of its own. It takes any secret for a key id that it knows, so what
 * a service says to a wrong one is not shown by it.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort, Service } from './service.ts'

const version = '3.7.1'

export interface S3rver {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Everything that belongs to it. */
  readonly directory: string
  stop(): Promise<void>
  /** After `stop`, on the same port. */
  start(): Promise<void>
  freeze(): void
  thaw(): void
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one. @throws Error when it cannot be started */
export async function startS3rver(): Promise<S3rver> {
  const program = install()
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-s3rver-'))
  const data = path.join(directory, 'data')
  fs.mkdirSync(data)
  const port = await freePort()
  const options = ['-d', data, '-a', '127.0.0.1', '-p', String(port), '--no-vhost-buckets', '--silent']
  const start = () =>
    Service.start({
      name: 's3rver',
      command: [process.execPath, program, ...options],
      log: path.join(directory, 'log'),
      ready: () => answers(port),
    })
  let service: Service
  try {
    service = await start()
  } catch (error) {
    fs.rmSync(directory, { recursive: true })
    throw error
  }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: 'S3RVER',
    secretKey: 'S3RVER',
    directory,
    stop: () => service.stop(),
    async start() {
      service = await start()
    },
    freeze: () => service.freeze(),
    thaw: () => service.thaw(),
    async [Symbol.asyncDispose]() {
      await service.stop()
      fs.rmSync(directory, { recursive: true })
    },
  }
}

/** Installs it once for all tests on this machine, one at a time: test files run side by side. Gives its program. */
function install(): string {
  const directory = path.join(tmpdir(), `freezer-services-s3rver-${version}`)
  const npm = `mkdir -p ${directory} && cd ${directory} && [ -e done ] || { echo '{"private":true}' > package.json
    npm install --no-audit --no-fund --loglevel=error s3rver@${version} && touch done; }`
  execFileSync('flock', [`${directory}.lock`, 'sh', '-c', npm], { stdio: 'pipe', timeout: 300_000 })
  return path.join(directory, 'node_modules/s3rver/bin/s3rver.js')
}

async function answers(port: number): Promise<boolean> {
  try {
    await fetch(`http://127.0.0.1:${port}/`)
    return true
  } catch {
    return false
  }
}
