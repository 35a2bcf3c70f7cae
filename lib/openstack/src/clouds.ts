/** `clouds.yaml`, where the clients of OpenStack keep what they know of clouds, and `secure.yaml` beside it. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Failure } from '@freezer/sdk'
import { parse } from 'yaml'
import { readNamed } from './files.ts'

type Mapping = Readonly<Record<string, unknown>>

/**
 * What is said of the cloud `name`, as variables: `auth.user_domain_name` is `OS_USER_DOMAIN_NAME`.
 * @param file undefined for the places where clients of OpenStack look
 * @param configured the value of OS_CLIENT_CONFIG_FILE
 * @throws Failure `configuration`, `not-found`
 */
export async function readCloud(
  name: string,
  file: string | undefined,
  configured: string | undefined,
): Promise<{ readonly variables: ReadonlyMap<string, string>; readonly source: string }> {
  const places = file ?? configured
  const candidates =
    places === undefined
      ? ['clouds.yaml', join(homedir(), '.config/openstack/clouds.yaml'), '/etc/openstack/clouds.yaml']
      : [places]
  for (const candidate of candidates) {
    const clouds = await cloudsOf(candidate)
    if (clouds === undefined) continue
    const cloud = clouds[name]
    if (!isMapping(cloud)) {
      const others = Object.keys(clouds).join(', ')
      throw new Failure('not-found', `There is no cloud ${name} in ${candidate}.`, {
        remedy: others === '' ? 'Write it there.' : `Name one of those that are there: ${others}.`,
      })
    }
    const secure = (await cloudsOf(join(dirname(candidate), 'secure.yaml')))?.[name]
    const variables = new Map([...variablesOf(cloud), ...(isMapping(secure) ? variablesOf(secure) : [])])
    if (!variables.has('OS_AUTH_URL') && typeof cloud['profile'] === 'string') {
      throw new Failure(
        'configuration',
        `The cloud ${name} of ${candidate} names a profile, which is not read.`,
        {
          remedy: 'Write auth_url and what else the profile says into the cloud.',
        },
      )
    }
    return { variables, source: `the cloud ${name} of ${candidate}` }
  }
  const missing = places === undefined ? 'clouds.yaml' : `file ${places}`
  throw new Failure('not-found', `There is no ${missing} that could say what the cloud ${name} is.`, {
    remedy: 'Give its place with --os-clouds-file or OS_CLIENT_CONFIG_FILE.',
  })
}

/** The clouds of a file; undefined when there is no such file. */
async function cloudsOf(file: string): Promise<Mapping | undefined> {
  if (!existsSync(file)) return undefined
  const text = await readNamed(file, 'The file')
  let read: unknown
  try {
    read = parse(text)
  } catch (error) {
    // Its own message shows the line, which may hold a secret.
    const place = (error as { linePos?: readonly { readonly line: number }[] }).linePos?.[0]?.line
    throw new Failure(
      'configuration',
      `${file} is not YAML${place === undefined ? '' : `: see line ${place}`}.`,
      { remedy: 'Correct it; tabs are no indentation, and a text with special characters stands in quotes.' },
    )
  }
  const clouds = isMapping(read) ? read['clouds'] : undefined
  if (!isMapping(clouds))
    throw new Failure('configuration', `${file} has no clouds.`, {
      remedy: 'It begins with "clouds:", and each cloud stands below that by its name.',
    })
  return clouds
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function variablesOf(cloud: Mapping): Map<string, string> {
  const variables = new Map<string, string>()
  const { auth, ...others } = cloud
  for (const part of [others, isMapping(auth) ? auth : {}]) {
    for (const [key, value] of Object.entries(part)) {
      if (['string', 'number', 'boolean'].includes(typeof value) && value !== '') {
        variables.set(`OS_${key.toUpperCase()}`, String(value))
      }
    }
  }
  return variables
}
