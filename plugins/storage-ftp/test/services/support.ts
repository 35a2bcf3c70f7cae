import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { type Ftpd, password } from '../../../../test/services/ftpd.ts'
import { ftp, ftps } from '../../src/index.ts'

export type Security = 'plain' | 'explicit' | 'implicit'

/** The options of `keeper`, as a person gives them. */
export function keeper(
  server: Ftpd,
  container: string,
  security: Security = 'plain',
): Record<string, unknown> {
  const common = { container, ftpHost: '127.0.0.1', ftpUsername: 'keeper', ftpPassword: password }
  switch (security) {
    case 'plain':
      return { ...common, ftpPort: server.port }
    case 'explicit':
      return { ...common, ftpPort: server.explicitPort, ftpCacert: server.ca }
    case 'implicit':
      return { ...common, ftpPort: server.implicitPort, ftpCacert: server.ca, ftpImplicit: true }
  }
}

/** Over TLS when `values` say anything of it, or when `secure`. */
export async function open(
  values: Record<string, unknown>,
  create = true,
  secure = 'ftpCacert' in values,
): Promise<Storage> {
  return secure
    ? ftps.open(checkOptions(ftps.options, values), quietContext(), { create })
    : ftp.open(checkOptions(ftp.options, values), quietContext(), { create })
}
