import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkOptions, isFailure } from '@freezer/sdk'
import { identify, section } from '../src/credentials.ts'
import { s3Options } from '../src/options.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-s3-'))
after(() => rm(scratch, { recursive: true }))
const credentialsFile = join(scratch, 'credentials')
const configFile = join(scratch, 'config')
await writeFile(
  credentialsFile,
  `# comment
[default]
aws_access_key_id = D1
aws_secret_access_key=D2
[ other ]
aws_access_key_id=O1
aws_secret_access_key = O2=/+
aws_session_token = O3
[half]
aws_access_key_id = H1
[token]
aws_access_key_id = T1
aws_secret_access_key = T2
[placed]
aws_access_key_id = P1
aws_secret_access_key = P2
region = us-west-2
`,
)
await writeFile(
  configFile,
  `[default]
region = eu-west-1
s3 =
  region = nested
[profile other]
region = eu-north-1
endpoint_url = https://s3.of-other.example
[profile sso]
sso_start_url = https://example.org
[profile session]
sso_session = mine
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = default
[profile program]
credential_process = /bin/secret-program
[profile whole]
aws_access_key_id = W1
aws_secret_access_key = W2
[profile token]
aws_session_token = not-of-that-key
region = eu-south-1
`,
)
const files = { AWS_SHARED_CREDENTIALS_FILE: credentialsFile, AWS_CONFIG_FILE: configFile }
const environment = {
  ...files,
  AWS_ACCESS_KEY_ID: 'E1',
  AWS_SECRET_ACCESS_KEY: 'E2',
  AWS_SESSION_TOKEN: 'E3',
}

/** Access key, secret, token, region and endpoint in short. */
async function who(given: Record<string, unknown>, from: Record<string, string>): Promise<string> {
  const { credentials, region, endpoint } = await identify(
    checkOptions(s3Options, { container: 'bucket', ...given }),
    from,
  )
  const { accessKeyId, secretAccessKey, sessionToken = '' } = credentials
  return [accessKeyId, secretAccessKey, sessionToken, region, endpoint].join(' ')
}

test('options come first, then the environment, then the profile', async () => {
  const amazon = (region: string) => `${region} https://s3.${region}.amazonaws.com`
  const options = { accessKey: 'A1', secretKey: 'A2' }
  assert.equal(await who(options, environment), `A1 A2  ${amazon('eu-west-1')}`)
  assert.equal(
    await who({ ...options, sessionToken: 'A3', region: 'r' }, environment),
    `A1 A2 A3 ${amazon('r')}`,
  )
  assert.equal(await who({}, environment), `E1 E2 E3 ${amazon('eu-west-1')}`)
  assert.equal(await who({}, { ...environment, AWS_REGION: 'x' }), `E1 E2 E3 ${amazon('x')}`)
  assert.equal(await who({}, files), `D1 D2  ${amazon('eu-west-1')}`)
  const other = 'O1 O2=/+ O3 eu-north-1 https://s3.of-other.example'
  assert.equal(await who({}, { ...files, AWS_PROFILE: 'other' }), other)
  assert.equal(await who({ awsProfile: 'other' }, environment), other)
  assert.equal(await who({ awsProfile: 'whole' }, files), `W1 W2  ${amazon('us-east-1')}`)
  assert.equal(await who({ awsProfile: 'placed' }, files), `P1 P2  ${amazon('us-west-2')}`)
  // A token belongs to the key that it stands beside.
  assert.equal(await who({ awsProfile: 'token' }, files), `T1 T2  ${amazon('eu-south-1')}`)
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE']
  const places = ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3']
  const empty = Object.fromEntries([...names, ...places].map((name) => [name, '']))
  assert.equal(await who({}, { ...files, ...empty }), `D1 D2  ${amazon('eu-west-1')}`)
})

test('the address of the service', async () => {
  const at = async (given: Record<string, unknown>, from: Record<string, string>) =>
    (await who(given, { ...environment, ...from })).split(' ').at(-1)
  assert.equal(await at({ endpoint: 'https://s3.example.org/' }, {}), 'https://s3.example.org')
  assert.equal(await at({ endpoint: 'http://h:9000/base/' }, {}), 'http://h:9000/base')
  assert.equal(await at({}, { AWS_ENDPOINT_URL: 'http://a' }), 'http://a')
  assert.equal(await at({}, { AWS_ENDPOINT_URL: 'http://a', AWS_ENDPOINT_URL_S3: 'http://b' }), 'http://b')
  for (const endpoint of ['s3.example.org', 'ftp://h', 'http://user:secret@h', '']) {
    await assert.rejects(at({ endpoint }, {}), (error) => {
      assert.ok(isFailure(error) && error.code === 'configuration')
      assert.ok(!error.message.includes('secret'), error.message)
      return true
    })
  }
})

test('what is missing is said', async () => {
  const none = { AWS_SHARED_CREDENTIALS_FILE: join(scratch, 'none'), AWS_CONFIG_FILE: join(scratch, 'none') }
  await assert.rejects(who({}, none), { code: 'configuration', message: /no access key/ })
  await assert.rejects(who({ accessKey: 'A1' }, environment), { code: 'configuration', message: /no secret/ })
  for (const [profile, message] of [
    ['half', /profile half in .* holds no access key/],
    ['missing', /profile missing in .* holds no access key/],
    ['sso', /profile sso would get its access key by single sign-on, which is not supported/],
    ['session', /profile session would get .* by single sign-on/],
    ['role', /profile role would get .* by taking a role/],
    ['program', /profile program would get .* by running a program/],
  ] as const) {
    await assert.rejects(who({ awsProfile: profile }, environment), { code: 'configuration', message })
    await assert.rejects(who({}, { ...files, AWS_PROFILE: profile }), { code: 'configuration', message })
  }
  for (const [variable, message] of [
    ['AWS_WEB_IDENTITY_TOKEN_FILE', /environment would get .* by the token of a web identity/],
    ['AWS_CONTAINER_CREDENTIALS_FULL_URI', /environment would get .* by asking the container service/],
    ['AWS_ACCESS_KEY_ID', /AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not/],
    ['AWS_SECRET_ACCESS_KEY', /AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not/],
  ] as const) {
    const from = { ...none, [variable]: 'secret-x' }
    await assert.rejects(who({}, from), (error) => {
      assert.ok(isFailure(error) && error.code === 'configuration')
      assert.match(error.message, message)
      assert.ok(!`${error.message}${error.remedy}`.includes('secret-x'))
      return true
    })
  }
  const secretKeyFile = join(scratch, 'none')
  await assert.rejects(who({ accessKey: 'A1', secretKeyFile }, {}), {
    code: 'configuration',
    message: /ENOENT/,
  })
  await assert.rejects(who({ accessKey: 'A1', secretKey: 'a b' }, {}), { code: 'key' })
})

test('a section ends where another begins, and nested values are not its own', () => {
  const text = '[a]\r\nk = v \r\ns3 =\r\n  k = nested\r\n[b]\nk=w\n'
  assert.deepEqual(section(text, 'a'), { k: 'v', s3: '' })
  assert.deepEqual(section(text, 'b'), { k: 'w' })
  assert.deepEqual(section(text, 'c'), {})
})
