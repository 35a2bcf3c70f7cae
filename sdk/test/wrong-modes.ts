// Modes that each break the contract in one way, and the check that must notice. The right ones hold by a lock file.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  type Context,
  Failure,
  type Mode,
  type ModeSession,
  type OptionDeclarations,
  type Options,
  type RestoreDestination,
  type Source,
  type StreamSource,
  type Target,
  type TreeTarget,
  throwIfAborted,
} from '@freezer/sdk'
import type { ModeUnderTest } from '@freezer/sdk/testing'

export interface WrongMode {
  readonly wrong: string
  readonly caughtBy: string
  readonly underTest: () => ModeUnderTest
}

const options = {
  where: { type: 'path', required: true, value: 'DIR', help: 'Where they are' },
  password: { type: 'string', secret: true, help: 'Password' },
} as const satisfies OptionDeclarations

class Shelf {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'shelf-'))
  open = 0

  constructor() {
    for (const name of ['a', 'b']) fs.mkdirSync(path.join(this.root, name))
  }

  lock(name: string): string {
    return path.join(this.root, `${name}.lock`)
  }

  hold(name: string): void {
    fs.writeFileSync(this.lock(name), '')
  }

  letGo(name: string): void {
    fs.rmSync(this.lock(name), { force: true })
  }
}

interface Verbs {
  open(options: Options<OptionDeclarations>, context: Context): Promise<ModeSession>
  target(destination: RestoreDestination): Promise<Target>
}

function rightVerbs(shelf: Shelf, stream: boolean): Verbs {
  return {
    async open({ where }) {
      const at = String(where)
      if (!fs.existsSync(at)) throw new Failure('not-found', `There is no ${at}.`)
      const held = new Set<string>()
      const letGo = (name: string): void => {
        held.delete(name)
        shelf.letGo(name)
      }
      return {
        async *resources() {
          for (const name of ['a', 'b']) {
            const facts = { where: path.join(at, name) }
            yield stream ? { name, facts } : { name, path: path.join(at, name), facts }
          }
        },
        async quiesce({ name }, signal) {
          throwIfAborted(signal)
          shelf.hold(name)
          held.add(name)
        },
        release: async ({ name }) => letGo(name),
        source: async ({ name }, shown): Promise<Source> =>
          stream
            ? { kind: 'stream', name, size: 10, open: (signal) => bytes(shelf, signal) }
            : { kind: 'tree', path: shown ?? '', exclude: [], oneFileSystem: true, dereference: 'none' },
        [Symbol.asyncDispose]: async () => {
          for (const name of held) letGo(name)
        },
      }
    },
    async target({ destination, overwrite, ...asked }): Promise<TreeTarget> {
      if (overwrite === false && fs.existsSync(destination) && fs.readdirSync(destination).length > 0) {
        throw new Failure('refused', 'It is not empty.')
      }
      const purpose = asked.purpose === undefined ? {} : { purpose: asked.purpose }
      return { kind: 'tree', path: destination, overwrite, remove: false, ...purpose }
    },
  }
}

async function* bytes(shelf: Shelf, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  shelf.open++
  try {
    for (let i = 0; i < 5; i++) {
      throwIfAborted(signal)
      yield Buffer.from('ab')
    }
  } finally {
    shelf.open--
  }
}

type Change = (shelf: Shelf, right: Verbs) => Partial<Mode>

function underTest(stream: boolean, change: Change): ModeUnderTest {
  const shelf = new Shelf()
  const right = rightVerbs(shelf, stream)
  return {
    mode: {
      name: 'shelf',
      description: 'Shelf',
      options,
      sources: [stream ? 'stream' : 'tree'],
      ...right,
      ...change(shelf, right),
    },
    options: { where: shelf.root, password: 'hunter2' },
    isHeld: ({ name }) => fs.existsSync(shelf.lock(name)),
    missing: { where: path.join(shelf.root, 'nowhere') },
    openHandles: () => shelf.open,
    patience: 300,
  }
}

export const rightModes = (): readonly ModeUnderTest[] =>
  [false, true].map((stream) => underTest(stream, () => ({})))

function wrong(what: string, caughtBy: string, change: Change, stream = false): WrongMode {
  return { wrong: what, caughtBy, underTest: () => underTest(stream, change) }
}

/** Sessions, changed. */
const sessions =
  (change: (session: ModeSession, shelf: Shelf, context: Context) => Partial<ModeSession>): Change =>
  (shelf, right) => ({
    open: async (values, context) => {
      const session = await right.open(values, context)
      return { ...session, ...change(session, shelf, context) }
    },
  })

/** Streams, changed. */
const streams = (change: (stream: StreamSource, shelf: Shelf) => Partial<StreamSource>): Change =>
  sessions((session, shelf) => ({
    source: async (...given) => {
      const source = await session.source(...given)
      return source.kind === 'stream' ? { ...source, ...change(source, shelf) } : source
    },
  }))

const resources = (
  list: readonly { name: string; path?: string; facts?: Record<string, unknown> }[],
): Change =>
  sessions(() => ({
    async *resources() {
      for (const one of list) yield { facts: {}, ...one }
    },
  }))

const finds = 'finds something, each thing with a name of its own'
const facts = 'tells facts that a manifest can keep'
const readable = 'gives sources that can be read'
const view = 'reads from where a snapshot shows it'
const streamEnds = 'ends a stream when it is aborted or left'
const holds = 'holds a resource from quiesce to release, as often as it is asked'
const several = 'holds several at a time, and lets each go by itself'
const aborts = 'gives up holding when it is aborted, and lets go'
const missing = 'fails where there is nothing to back up'
const into = 'brings back into what is empty or new, and makes nothing itself'
const overwrites = 'overwrites nothing that nobody asked it to'

export const wrongModes: readonly WrongMode[] = [
  wrong('finds nothing', finds, resources([])),
  wrong('gives two the same name', finds, resources([{ name: 'a' }, { name: 'a' }])),
  wrong('gives one of two no name', finds, resources([{ name: 'a' }, { name: '' }])),
  wrong('tells relative paths', finds, resources([{ name: 'a', path: 'a' }])),
  wrong(
    'finds things once',
    'finds the same when asked again',
    sessions((session) => {
      let asked = false
      return {
        async *resources() {
          if (!asked) yield* session.resources()
          asked = true
        },
      }
    }),
  ),
  wrong('tells facts with dates', facts, resources([{ name: 'a', facts: { at: new Date(0) } }])),
  wrong(
    'tells facts with big integers as undefined',
    facts,
    resources([{ name: 'a', facts: { at: undefined } }]),
  ),
  wrong('tells its password', 'keeps secrets out of facts and sources', (_, right) => ({
    open: async (values, context) => ({
      ...(await right.open(values, context)),
      async *resources() {
        yield { name: '', facts: { url: `db://me:${String(values['password'])}@host` } }
      },
    }),
  })),
  wrong(
    'gives a source that is not there',
    readable,
    sessions((session) => ({
      source: async (...given) => {
        const source = await session.source(...given)
        return source.kind === 'tree' ? { ...source, path: `${source.path}/none` } : source
      },
    })),
  ),
  wrong(
    'promises more bytes than come',
    readable,
    streams(() => ({ size: 11 })),
    true,
  ),
  wrong('gives what it does not declare', readable, () => ({ sources: ['tree'] }), true),
  wrong(
    'names a stream by a path',
    readable,
    streams(() => ({ name: 'dumps/a' })),
    true,
  ),
  wrong(
    'gives text where bytes are due',
    readable,
    streams(() => ({
      async *open() {
        yield 'text' as never
      },
    })),
    true,
  ),
  wrong(
    'reads from the living tree whatever it is told',
    view,
    sessions((session) => ({
      source: (resource, _, signal) => session.source(resource, resource.path, signal),
    })),
  ),
  wrong(
    'forgets what to leave out in a snapshot',
    view,
    sessions((session) => ({
      source: async (resource, shown, signal) => {
        const source = await session.source(resource, shown, signal)
        return source.kind === 'tree' && shown !== resource.path
          ? { ...source, oneFileSystem: false }
          : source
      },
    })),
  ),
  wrong(
    'goes on with a stream that was aborted',
    streamEnds,
    streams((stream) => ({ open: () => stream.open(new AbortController().signal) })),
    true,
  ),
  wrong(
    'waits for its program when a stream is left',
    streamEnds,
    streams(() => ({
      async *open(signal) {
        throwIfAborted(signal)
        try {
          yield Buffer.from('ab')
        } finally {
          await new Promise(() => {})
        }
      },
    })),
    true,
  ),
  wrong(
    'holds as soon as it looks',
    'holds nothing before it is asked to',
    sessions((session, shelf) => ({
      source: async (resource, ...rest) => {
        shelf.hold(resource.name)
        return session.source(resource, ...rest)
      },
    })),
  ),
  wrong(
    'holds nothing',
    holds,
    sessions(() => ({ quiesce: async () => {} })),
  ),
  wrong(
    'lets go when it is asked what to read',
    holds,
    sessions((session, shelf) => ({
      source: async (resource, ...rest) => {
        shelf.letGo(resource.name)
        return session.source(resource, ...rest)
      },
    })),
  ),
  wrong(
    'never lets go',
    holds,
    sessions(() => ({ release: async () => {} })),
  ),
  wrong(
    'holds once',
    holds,
    sessions((session) => {
      const held = new Set<string>()
      return {
        quiesce: async (resource, signal) => {
          if (!held.has(resource.name)) await session.quiesce?.(resource, signal)
          held.add(resource.name)
        },
      }
    }),
  ),
  wrong(
    'lets all go with one',
    several,
    sessions((_, shelf) => ({ release: async () => ['a', 'b'].forEach((name) => shelf.letGo(name)) })),
  ),
  wrong(
    'fails to let go what it does not hold',
    'lets go what it does not hold',
    sessions((_, shelf) => ({ release: async ({ name }) => fs.rmSync(shelf.lock(name)) })),
  ),
  wrong(
    'waits for a lock for ever',
    aborts,
    sessions(() => ({ quiesce: () => new Promise(() => {}) })),
  ),
  wrong(
    'keeps half a lock when it is aborted',
    aborts,
    sessions((session, shelf) => {
      const held = new Set<string>()
      return {
        quiesce: async (resource, signal) => {
          shelf.hold(resource.name)
          throwIfAborted(signal)
          held.add(resource.name)
        },
        release: async (resource, signal) => {
          if (held.has(resource.name)) await session.release?.(resource, signal)
        },
      }
    }),
  ),
  wrong(
    'cannot let go in a run that was aborted',
    'lets go when the run was aborted',
    sessions((session, _, context) => ({
      release: async (resource, signal) => {
        throwIfAborted(context.signal)
        await session.release?.(resource, signal)
      },
    })),
  ),
  wrong(
    'keeps its locks when it ends',
    'lets go when it ends',
    sessions(() => ({ [Symbol.asyncDispose]: async () => {} })),
  ),
  wrong('backs up what is not there as nothing', missing, (shelf, right) => ({
    open: (_, context) => right.open({ where: shelf.root }, context),
  })),
  wrong('makes the directory to restore into', into, (_, right) => ({
    target: async (destination) => {
      fs.mkdirSync(destination.destination, { recursive: true })
      return right.target(destination)
    },
  })),
  wrong('restores to where it came from', into, (shelf, right) => ({
    target: (destination) => right.target({ ...destination, destination: path.join(shelf.root, 'other') }),
  })),
  wrong('overwrites what is there', overwrites, () => ({
    target: async ({ destination, overwrite }) => ({
      kind: 'tree',
      path: destination,
      overwrite,
      remove: false,
    }),
  })),
  wrong('empties the directory to restore into', overwrites, (_, right) => ({
    target: async (destination) => {
      const target = await right.target(destination)
      fs.rmSync(destination.destination, { recursive: true, force: true })
      fs.mkdirSync(destination.destination)
      return target
    },
  })),
  wrong(
    'restores when it should only tell',
    'changes nothing when it is asked to tell or to compare',
    (_, right) => ({
      target: ({ destination, overwrite, remove }) => right.target({ destination, overwrite, remove }),
    }),
  ),
  wrong(
    'leaves a connection open',
    'leaves nothing open',
    sessions((_, shelf) => {
      shelf.open++
      return {}
    }),
  ),
  wrong('has an option that nobody can spell', 'declares itself as it is', () => ({
    options: { ...options, 'max-size': { type: 'bytes', help: 'Size' } },
  })),
]
