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
export async function identify(options: Options<typeof s3Options>, given: Values): Promise<Identity> {
  // A variable that is empty is none.
  const environment = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
  const profile = await readProfile(options, environment)
  const region =
    options.region ??
    environment['AWS_REGION'] ??
    environment['AWS_DEFAULT_REGION'] ??
    profile.settings['region'] ??
    'us-east-1'
  const endpoint =
    options.endpoint ??
    environment['AWS_ENDPOINT_URL_S3'] ??
    environment['AWS_ENDPOINT_URL'] ??
    profile.settings['endpoint_url'] ??
    `https://s3.${region}.amazonaws.com`
  return {
    credentials: await find(options, environment, profile),
    region,
    endpoint: checkedEndpoint(endpoint),
  }
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

async function find(
  options: Options<typeof s3Options>,
  environment: Values,
  { name, file, key, settings }: Profile,
): Promise<Credentials> {
  if (options.accessKey !== undefined) {
    const secret = options.secretKey ?? (await firstLine(options.secretKeyFile))
    if (secret !== undefined) return credentials(options.accessKey, secret, options.sessionToken)
    throw new Failure('configuration', 'There is an access key, and no secret of it.', {
      remedy: 'Give --secret-key-file, FREEZER_SECRET_KEY, or secret_key in an ini file.',
    })
  }
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = environment
  if (options.awsProfile === undefined && (id !== undefined || secret !== undefined)) {
    if (id !== undefined && secret !== undefined) {
      return credentials(id, secret, environment['AWS_SESSION_TOKEN'])
    }
    const [there, missing] =
      id === undefined
        ? ['AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID']
        : ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
    throw new Failure('configuration', `${there} is set, and ${missing} is not.`, {
      remedy: 'Set both, or neither.',
    })
  }
  const { aws_access_key_id: profileId, aws_secret_access_key: profileSecret } = key
  if (profileId !== undefined && profileSecret !== undefined) {
    return credentials(profileId, profileSecret, key['aws_session_token'])
  }
  for (const [sign, way] of otherWays) {
    const isInEnvironment = options.awsProfile === undefined && environment[sign] !== undefined
    if (settings[sign] === undefined && !isInEnvironment) continue
    throw new Failure(
      'configuration',
      `${isInEnvironment ? 'The environment' : `The profile ${name}`} would get its access key by ${way}, which is not supported.`,
      {
        remedy: `Put a key that was got in this way into AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as "aws configure export-credentials" prints them.`,
      },
    )
  }
  if (options.awsProfile !== undefined || environment['AWS_PROFILE'] !== undefined) {
    throw new Failure('configuration', `The profile ${name} in ${file} holds no access key.`, {
      remedy:
        'Write aws_access_key_id and aws_secret_access_key there; other ways to log in are not supported.',
    })
  }
  throw new Failure('configuration', 'There is no access key.', {
    remedy: `Give --access-key and --secret-key-file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ${file}.`,
  })
}

/** What a profile or the environment has where Amazon's programs would ask somebody else for a key. */
const otherWays = [
  ['role_arn', 'taking a role'],
  ['sso_session', 'single sign-on'],
  ['sso_start_url', 'single sign-on'],
  ['login_session', 'a login of the console'],
  ['credential_process', 'running a program'],
  ['AWS_WEB_IDENTITY_TOKEN_FILE', 'the token of a web identity'],
  ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'asking the container service'],
  ['AWS_CONTAINER_CREDENTIALS_FULL_URI', 'asking the container service'],
] as const

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

interface Profile {
  readonly name: string
  /** Where keys stand. */
  readonly file: string
  /** What the file says that has the access key: never half of it from one file and half from the other. */
  readonly key: Values
  /** What both files say of it; that of the credentials wins. */
  readonly settings: Values
}

async function readProfile(options: Options<typeof s3Options>, environment: Values): Promise<Profile> {
  const name = options.awsProfile ?? environment['AWS_PROFILE'] ?? 'default'
  const file = environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials')
  const configFile = environment['AWS_CONFIG_FILE'] ?? join(homedir(), '.aws', 'config')
  const config = await readIfThere(configFile)
  const configured = {
    ...(name === 'default' ? section(config, name) : {}),
    ...section(config, `profile ${name}`),
  }
  const kept = section(await readIfThere(file), name)
  const key = kept['aws_access_key_id'] === undefined ? configured : kept
  return { name, file, key, settings: { ...configured, ...kept } }
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
