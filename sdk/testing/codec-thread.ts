/** A worker thread that loads a codec by the URL of its module, as the pipeline does, and does what it is told. */
import { parentPort, workerData } from 'node:worker_threads'
import type { BlockFacts, CodecSecret } from '../src/contracts/codec.ts'
import { isFailure } from '../src/contracts/failures.ts'
import type { OptionDeclarations, Options } from '../src/contracts/options.ts'
import { type Plugin, providers } from '../src/contracts/plugin.ts'

export interface CodecThreadData {
  readonly module: string
  readonly codec: string
  readonly options: Options<OptionDeclarations>
  readonly secret: CodecSecret | undefined
}

export type CodecRequest =
  | { readonly call: 'encode'; readonly block: Uint8Array; readonly facts: BlockFacts }
  | {
      readonly call: 'decode'
      readonly block: Uint8Array
      readonly facts: BlockFacts
      readonly limit: number
    }

/** `code` is undefined when what was thrown is not a failure. */
export type CodecReply =
  | { readonly bytes: Uint8Array }
  | { readonly code: string | undefined; readonly message: string }

const { module, codec: name, options, secret } = workerData as CodecThreadData
const { default: plugin } = (await import(module)) as { default: Plugin }
const codec = providers(plugin, 'codec').find((candidate) => candidate.name === name)
if (codec === undefined) throw new Error(`The plugin in ${module} has no codec ${name}.`)
const coder = await codec.open(options, secret)

function answer(request: CodecRequest): CodecReply {
  try {
    return {
      bytes:
        request.call === 'encode'
          ? coder.encode(request.block, request.facts)
          : coder.decode(request.block, request.facts, request.limit),
    }
  } catch (error) {
    return { code: isFailure(error) ? error.code : undefined, message: String(error) }
  }
}

parentPort?.on('message', (request: CodecRequest) => parentPort?.postMessage(answer(request), []))
