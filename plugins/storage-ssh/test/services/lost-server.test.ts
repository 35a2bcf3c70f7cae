// A server that dies, or falls silent, in the middle of things.
import { after } from 'node:test'
import { lostServerTests } from '../../../../test/services/lost-server.ts'
import { startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())

lostServerTests(server, (container, sshTimeout) =>
  open({ ...keeper(server, container), ...(sshTimeout === undefined ? {} : { sshTimeout }) }),
)
