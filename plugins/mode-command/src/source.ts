/** A program's output as the one resource of a session. */
import { basename } from 'node:path'
import { type Context, Failure, type ModeSession } from '@freezer/sdk'
import { Program, type ProgramOptions, successes, wordsOf } from './program.ts'

interface CommandOptions extends ProgramOptions {
  readonly command: string
  readonly streamName?: string | undefined
}

/** @throws Failure `usage` for a command or a name that cannot be one */
export function openCommand(options: CommandOptions, context: Context): ModeSession {
  const words = wordsOf('--command', options.command)
  successes(options.commandSuccess)
  const [program = ''] = words
  const name = options.streamName ?? basename(program)
  if (Buffer.byteLength(name) > 255 || /^(?:\.{0,2})$|[\0/]/.test(name)) {
    throw new Failure('usage', `--stream-name: ${JSON.stringify(name)} is no name for a file.`)
  }
  return {
    async *resources() {
      // Not the arguments: they may say what is nobody's business.
      yield { name: '', facts: { name, program } }
    },
    source: async () => ({
      kind: 'stream',
      name,
      open: (signal) => output({ ...options, words }, { ...context, signal }),
    }),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** What a program writes; the end of it only when the program was a success. */
async function* output(
  options: ProgramOptions & { readonly words: readonly string[] },
  context: Context,
): AsyncGenerator<Uint8Array> {
  const { signal } = context
  signal.throwIfAborted()
  await using program = new Program({ ...options, end: 'stdout', code: 'source' }, context)
  const stop = (): void => void program.stop()
  signal.addEventListener('abort', stop)
  try {
    for await (const chunk of program.stdout) yield chunk as Uint8Array
  } catch (error) {
    signal.throwIfAborted()
    const failure = await program.end()
    throw failure ?? error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  const failure = await program.end()
  signal.throwIfAborted()
  if (failure !== undefined) throw failure
}
