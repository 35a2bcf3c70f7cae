/** The thread that encodes and decodes blocks: one of several, fed by `Coders`. */
import { parentPort } from 'node:worker_threads'
import { toRecord } from '../contracts/failures.ts'
import { type CoderOrder, type OpenedCodec, openChain, runJob } from './coder-chain.ts'

const port = parentPort
if (port === null) throw new Error('This module runs on a worker thread.')

const chains = new Map<number, Promise<readonly OpenedCodec[]>>()

port.on('message', async ({ chain, setup, job }: CoderOrder) => {
  try {
    let opened = chains.get(chain)
    if (opened === undefined) chains.set(chain, (opened = openChain(setup)))
    const done = runJob(await opened, job)
    port.postMessage({ done }, [done.bytes.buffer])
  } catch (error) {
    port.postMessage({ failure: toRecord(error) })
  }
})
