import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import type { S3rver } from '../../../../test/services/s3rver.ts'
import { keeper, type Swift } from '../../../../test/services/swift.ts'
import { s3 } from '../../src/index.ts'

type Access = Pick<S3rver, 'endpoint' | 'accessKey' | 'secretKey'>

/** How the keeper of a Swift speaks S3 to it. */
export function accessOf({ authUrl }: Swift): Access {
  return { endpoint: new URL(authUrl).origin, accessKey: keeper.user, secretKey: keeper.key }
}

/** The options of who may do everything, as a person gives them. */
export function valuesOf(
  { endpoint, accessKey, secretKey }: Access,
  container: string,
): Record<string, unknown> {
  return { endpoint, accessKey, secretKey, container, region: 'us-east-1' }
}

export async function open(values: Record<string, unknown>, create = true): Promise<Storage> {
  return s3.open(checkOptions(s3.options, values), quietContext(), { create })
}
