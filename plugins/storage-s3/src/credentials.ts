/** Who asks, and where the service is: options, then the environment, then the files of Amazon's own programs. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Failure, type Options } from '@freezer/sdk'
import type { s3Options } from './options.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
}

export interface Identity {
  readonly credentials: Credentials
  readonly region: string
  /** Without a slash at its end. */
  readonly endpoint: string
}

type Values = Readonly<Record<string, string | undefined>>

/**
 * What requests are signed with, and where they go. Nothing is asked over the network, so there is no service of the
 * machine's cloud among the sources.
 * @throws Failure `configuration`, `key`
 */
export async function identify(options: Options<typeof s3Options>, environment: Values): Promise<Identity> {
  const region =
    options.region ??
    environment['AWS_REGION'] ??
    environment['AWS_DEFAULT_REGION'] ??
    (await configured(options, environment))['region'] ??
    'us-east-1'
  const endpoint =
    options.endpoint ??
    environment['AWS_ENDPOINT_URL_S3'] ??
    environment['AWS_ENDPOINT_URL'] ??
    `https://s3.${region}.amazonaws.com`
  return { credentials: await find(options, environment), region, endpoint: checkedEndpoint(endpoint) }
}

function checkedEndpoint(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.username !== '') {
    throw new Failure(
      'configuration',
      `"${text.replace(/\/\/.*@/, '//')}" is not the address of a service.`,
      {
        remedy: 'Write one like https://s3.example.org, in --endpoint or AWS_ENDPOINT_URL.',
      },
    )
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

async function find(options: Options<typeof s3Options>, environment: Values): Promise<Credentials> {
  if (options.accessKey !== undefined) {
    const secret = options.secretKey ?? (await firstLine(options.secretKeyFile))
    if (secret !== undefined) return credentials(options.accessKey, secret, options.sessionToken)
    throw new Failure('configuration', 'There is an access key, and no secret of it.', {
      remedy: 'Give --secret-key-file, FREEZER_SECRET_KEY, or secret_key in an ini file.',
    })
  }
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key } = environment
  if (options.awsProfile === undefined && id !== undefined && key !== undefined) {
    return credentials(id, key, environment['AWS_SESSION_TOKEN'])
  }
  const name = profileName(options, environment)
  const file = environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials')
  const profile = { ...(await configured(options, environment)), ...section(await readIfThere(file), name) }
  const { aws_access_key_id: profileId, aws_secret_access_key: profileKey } = profile
  if (profileId !== undefined && profileKey !== undefined) {
    return credentials(profileId, profileKey, profile['aws_session_token'])
  }
  if (options.awsProfile !== undefined) {
    throw new Failure('configuration', `The profile ${name} in ${file} holds no access key.`, {
      remedy:
        'Write aws_access_key_id and aws_secret_access_key there; other ways to log in are not supported.',
    })
  }
  throw new Failure('configuration', 'There is no access key.', {
    remedy: `Give --access-key and --secret-key-file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ${file}.`,
  })
}

function credentials(accessKeyId: string, secretAccessKey: string, token: string | undefined): Credentials {
  for (const [what, value] of [
    ['access key', accessKeyId],
    ['secret of the access key', secretAccessKey],
    ['session token', token],
  ] as const) {
    // Nothing else can stand in a header.
    if (value === undefined || /^[\x21-\x7e]+$/.test(value)) continue
    throw new Failure('key', `The ${what} is empty, or holds characters that none has.`, {
      remedy: 'Copy it anew from where it was made.',
    })
  }
  return { accessKeyId, secretAccessKey, sessionToken: token }
}

function profileName(options: Options<typeof s3Options>, environment: Values): string {
  return options.awsProfile ?? environment['AWS_PROFILE'] ?? 'default'
}

/** What ~/.aws/config says of the profile. */
async function configured(options: Options<typeof s3Options>, environment: Values): Promise<Values> {
  const name = profileName(options, environment)
  const file = environment['AWS_CONFIG_FILE'] ?? join(homedir(), '.aws', 'config')
  return section(await readIfThere(file), name === 'default' ? name : `profile ${name}`)
}

/** Empty for a file that is not there. */
async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw unreadable(file, error)
  }
}

/** The values of one section of a file in the form of Amazon's programs, without those that are nested. */
export function section(content: string, name: string): Values {
  const values: Record<string, string> = {}
  let inside = false
  for (const line of content.split(/\r?\n/)) {
    const heading = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line)
    if (heading !== null) inside = heading[1]?.replace(/\s+/g, ' ') === name
    const pair = /^([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (inside && pair !== null) values[pair[1] as string] = pair[2] as string
  }
  return values
}

async function firstLine(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
  const [line = ''] = content.split(/\r?\n/, 1)
  if (line !== '') return line
  throw new Failure('key', `The secret file ${file} has no secret in its first line.`, {
    remedy: 'Write the secret into the first line of that file.',
  })
}

function unreadable(file: string, error: unknown): Failure {
  return new Failure('configuration', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`, {
    remedy: 'Check the path, and that you may read the file.',
    cause: error,
  })
}
