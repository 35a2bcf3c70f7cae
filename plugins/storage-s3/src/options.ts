import { proxyOptions } from '@freezer/proxy/options'
import { declareOptions } from '@freezer/sdk'

export const s3Options = declareOptions({
  container: {
    type: 'string',
    value: 'BUCKET',
    required: true,
    help: 'Bucket to keep backups in, or BUCKET/PREFIX.\nIt is made when the first backup is written to it.',
  },
  endpoint: {
    type: 'string',
    value: 'URL',
    help: 'Where the service is; without it AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or that of Amazon',
  },
  region: {
    type: 'string',
    value: 'NAME',
    help: 'Region of the bucket; without it AWS_REGION, that of the profile, or us-east-1',
  },
  accessKey: { type: 'string', value: 'ID', help: 'Id of the access key' },
  secretKey: { type: 'string', secret: true, help: 'Secret of the access key' },
  secretKeyFile: { type: 'path', value: 'FILE', help: 'File whose first line is that secret' },
  sessionToken: { type: 'string', secret: true, help: 'Token that belongs to a temporary access key' },
  awsProfile: {
    type: 'string',
    value: 'NAME',
    help: 'Profile of ~/.aws/credentials to take the access key from\nWithout it, and without --access-key, the environment (AWS_ACCESS_KEY_ID, …) is asked first, then the profile AWS_PROFILE or default.',
  },
  s3Addressing: {
    type: 'string',
    default: 'auto',
    choices: ['auto', 'path', 'virtual'],
    help: 'Whether the bucket stands in the path of an address, or before its host name\nBy itself: before the host name for Amazon, else in the path.',
  },
  s3ObjectLock: {
    type: 'string',
    choices: ['governance', 'compliance'],
    help: 'Lock each object that is stored, in that mode, for --s3-object-lock-days\nThe bucket must have been made with object lock; one that Freezer makes has it then.',
  },
  s3ObjectLockDays: {
    type: 'integer',
    value: 'DAYS',
    min: 1,
    max: 36_500,
    help: 'How long objects stay locked, from when they are stored',
  },
  s3Cacert: {
    type: 'path',
    value: 'FILE',
    help: 'Certificates of the authorities to trust, instead of those that Node brings',
  },
  insecure: {
    type: 'boolean',
    help: 'Believe any certificate; whoever is in between can read and change all',
  },
  s3Timeout: {
    type: 'duration',
    default: 60_000,
    min: 1000,
    max: 86_400_000,
    help: 'How long the service may stay silent',
  },
  ...proxyOptions,
})
