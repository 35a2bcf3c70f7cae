/**
 * s3rver: a small implementation of S3 from npm, in a folder of its own. It takes any secret for a key id that it knows, so what
 * a service says to a wrong one is not shown by it.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort, responds, type Service, startService } from './service.ts'

const version = '3.7.1'

export interface S3rver extends Service {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
}

/** Starts one. @throws Error when it cannot be started */
export async function startS3rver(): Promise<S3rver> {
  const program = install()
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-s3rver-'))
  const data = path.join(directory, 'data')
  fs.mkdirSync(data)
  const port = await freePort()
  const options = ['-d', data, '-a', '127.0.0.1', '-p', String(port), '--no-vhost-buckets', '--silent']
  const endpoint = `http://127.0.0.1:${port}`
  const service = await startService({
    name: 's3rver',
    directory,
    command: [process.execPath, program, ...options],
    ready: () => responds(endpoint),
  })
  return { ...service, endpoint, accessKey: 'S3RVER', secretKey: 'S3RVER' }
}

/** Installs it once for all tests on this machine, one at a time: test files run side by side. Gives its program. */
function install(): string {
  const directory = path.join(tmpdir(), `freezer-services-s3rver-${version}`)
  const npm = `mkdir -p ${directory} && cd ${directory} && [ -e done ] || { echo '{"private":true}' > package.json
    npm install --no-audit --no-fund --loglevel=error s3rver@${version} && touch done; }`
  execFileSync('flock', [`${directory}.lock`, 'sh', '-c', npm], { stdio: 'pipe', timeout: 300_000 })
  return path.join(directory, 'node_modules/s3rver/bin/s3rver.js')
}
