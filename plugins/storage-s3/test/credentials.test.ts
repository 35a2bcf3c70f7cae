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
[profile sso]
sso_start_url = https://example.org
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
  assert.equal(await who({}, { ...files, AWS_PROFILE: 'other' }), `O1 O2=/+ O3 ${amazon('eu-north-1')}`)
  assert.equal(await who({ awsProfile: 'other' }, environment), `O1 O2=/+ O3 ${amazon('eu-north-1')}`)
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
  for (const awsProfile of ['half', 'sso', 'missing']) {
    await assert.rejects(who({ awsProfile }, environment), {
      code: 'configuration',
      message: /holds no access key/,
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
