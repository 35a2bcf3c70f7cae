// A server that dies, or falls silent, in the middle of things.
import { after } from 'node:test'
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { lostServerTests } from '../../../../test/services/lost-server.ts'
import { keeper, open } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())

lostServerTests(server, (container, ftpTimeout) =>
  open({ ...keeper(server, container), ...(ftpTimeout === undefined ? {} : { ftpTimeout }) }),
)
