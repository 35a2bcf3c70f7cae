/** What `contracts/mode.ts` promises, as checks that any mode can be put through. */
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { quietContext } from '../src/contracts/context.ts'
import type { Source, StreamSource } from '../src/contracts/engine.ts'
import { isFailure } from '../src/contracts/failures.ts'
import type { Mode, ModeSession, Resource } from '../src/contracts/mode.ts'
import { checkOptions } from '../src/contracts/options.ts'
import { type Check, expect, expectEqual, expectFailure } from './contract.ts'
import { expectDeclared } from './declared.ts'

export interface ModeUnderTest {
  readonly mode: Mode
  /** Values for its options, with which it finds something; what is left out has its default. */
  readonly options: Readonly<Record<string, unknown>>
  /** Whether a resource is held still now, as anybody but the mode sees it. Without it no check looks at the holding. */
  readonly isHeld?: (resource: Resource) => boolean | Promise<boolean>
  /** Values with which there is nothing to back up. Without them no check asks for that. */
  readonly missing?: Readonly<Record<string, unknown>>
  /** What a person names to restore into: a directory unless said. With `nothing`, no check restores. */
  readonly restoresTo?: 'directory' | 'file' | 'nothing'
  /** Descriptors, connections and processes open now; without it no check looks for leaks. */
  readonly openHandles?: () => number | Promise<number>
  /** Milliseconds in which a call must have come back; 10,000 unless said. */
  readonly patience?: number
}

const never = new AbortController().signal

/** The checks of the mode contract. */
export function modeContract({
  mode,
  options,
  isHeld,
  missing,
  restoresTo = 'directory',
  openHandles,
  patience = 10_000,
}: ModeUnderTest): readonly Check[] {
  const values = checkOptions(mode.options, options)
  const checks: Check[] = []
  const open = (signal = never): Promise<ModeSession> => mode.open(values, quietContext(signal))

  /** `run` gets a session and what it finds; the session is disposed afterwards. */
  function check(
    name: string,
    run: (session: ModeSession, found: readonly Resource[]) => Promise<void>,
  ): void {
    checks.push({
      name,
      run: async () => {
        await using session = await open()
        await run(session, await Array.fromAsync(session.resources()))
      },
    })
  }

  check('finds something, each thing with a name of its own', async (_, found) => {
    expect(found.length > 0, 'it finds nothing')
    const names = found.map(({ name }) => name)
    expectEqual(new Set(names).size, names.length, `different names among ${names.join(', ')}`)
    for (const { name, path: at } of found) {
      expect(name !== '' || found.length === 1, 'one of several has no name')
      expect(at === undefined || path.isAbsolute(at), `the path "${at}" is not absolute`)
    }
  })

  check('finds the same when asked again', async (session, found) => {
    expectEqual(await Array.fromAsync(session.resources()), found, 'resources, the second time')
  })

  check('tells facts that a manifest can keep', async (_, found) => {
    for (const { name, facts } of found) {
      const kept: unknown = JSON.parse(JSON.stringify(facts))
      expect(isDeepStrictEqual(kept, facts), `the facts of "${name}" are another thing as JSON`)
    }
  })

  check('keeps secrets out of facts and sources', async (session, found) => {
    const secrets = Object.entries(mode.options)
      .filter(([option, { secret }]) => secret === true && typeof values[option] === 'string')
      .map(([option]) => String(values[option]))
    for (const resource of found) {
      const source = await session.source(resource, resource.path, never)
      const shown = JSON.stringify([resource, source])
      expect(!secrets.some((secret) => shown.includes(secret)), `"${resource.name}" shows a secret`)
    }
  })

  check('gives sources that can be read', async (session, found) => {
    for (const resource of found) {
      const source = await session.source(resource, resource.path, never)
      const declared = mode.sources ?? ['tree']
      expect(
        declared.includes(source.kind),
        `it gives a ${source.kind}, and declares ${declared.join(', ')}: see \`sources\` of the mode`,
      )
      if (source.kind === 'tree') {
        expect(path.isAbsolute(source.path), `the path "${source.path}" is not absolute`)
        await fs.lstat(source.path)
      } else {
        const size = await readAll(source)
        const isName = !/^\.{0,2}$|[\0/]/.test(source.name) && Buffer.byteLength(source.name) <= 255
        expect(isName, `${JSON.stringify(source.name)} is no name of a file`)
        expect(
          source.size === undefined || source.size === size,
          `the stream has ${size} bytes where ${source.size} were promised`,
        )
      }
    }
  })

  check('reads from where a snapshot shows it', async (session, found) => {
    for (const resource of found) {
      if (resource.path === undefined) continue
      const view = path.join(path.parse(resource.path).root, 'a', 'snapshot', 'of', 'it')
      const alive = await session.source(resource, resource.path, never)
      const frozen = await session.source(resource, view, never)
      expectEqual(frozen.kind, alive.kind, 'kind of the source in a snapshot')
      if (alive.kind !== 'tree' || frozen.kind !== 'tree') continue
      const expected = path.join(view, path.relative(resource.path, alive.path))
      expectEqual(frozen.path, expected, `where "${resource.name}" is read in a snapshot`)
      expectEqual({ ...frozen, path: '' }, { ...alive, path: '' }, 'all else of the source in a snapshot')
    }
  })

  check('ends a stream when it is aborted or left', async (session, found) => {
    for (const resource of found) {
      const source = await session.source(resource, resource.path, never)
      if (source.kind !== 'stream') continue
      const stop = new AbortController()
      stop.abort()
      await inTime(
        expectFailure(['interrupted'], () => readAll(source, stop.signal), 'a stream that was aborted'),
        patience,
        'a stream that was aborted',
      )
      const again = await session.source(resource, resource.path, never)
      if (again.kind !== 'stream') continue
      const leave = async (): Promise<void> => {
        for await (const _ of again.open(never)) break
      }
      await inTime(leave(), patience, 'leaving a stream')
    }
  })

  if (isHeld !== undefined) {
    const expectHeld = async (resource: Resource, expected: boolean, when: string): Promise<void> => {
      const held = await isHeld(resource)
      expect(held === expected, `"${resource.name}" is ${held ? '' : 'not '}held ${when}`)
    }

    check('holds nothing before it is asked to', async (session, found) => {
      for (const resource of found) {
        await session.source(resource, resource.path, never)
        await expectHeld(resource, false, 'before anybody asked for that')
      }
    })

    check('holds a resource from quiesce to release, as often as it is asked', async (session, found) => {
      for (const resource of found) {
        for (const time of ['', ', the second time']) {
          await session.quiesce?.(resource, never)
          await expectHeld(resource, true, `after quiesce${time}`)
          await session.source(resource, resource.path, never)
          await expectHeld(resource, true, `while its source is made${time}`)
          await session.release?.(resource, never)
          await expectHeld(resource, false, `after release${time}`)
        }
      }
    })

    check('holds several at a time, and lets each go by itself', async (session, found) => {
      for (const resource of found) await session.quiesce?.(resource, never)
      for (const [at, resource] of found.entries()) {
        await session.release?.(resource, never)
        for (const [place, other] of found.entries()) {
          await expectHeld(other, place > at, `after ${at + 1} of ${found.length} were let go`)
        }
      }
    })

    check('lets go what it does not hold', async (session, found) => {
      for (const resource of found) {
        await session.release?.(resource, never)
        await expectHeld(resource, false, 'after release alone')
      }
    })

    check('gives up holding when it is aborted, and lets go', async (session, found) => {
      for (const resource of found) {
        // It may have been faster.
        const quiesced = session.quiesce?.(resource, AbortSignal.abort())
        await inTime(Promise.allSettled([quiesced]), patience, 'a quiesce that was aborted')
        await session.release?.(resource, never)
        await expectHeld(resource, false, 'after a quiesce that was aborted, and release')
      }
    })

    checks.push({
      name: 'lets go when the run was aborted',
      run: async () => {
        const stop = new AbortController()
        await using session = await open(stop.signal)
        for (const resource of await Array.fromAsync(session.resources())) {
          await session.quiesce?.(resource, never)
          stop.abort()
          await session.release?.(resource, never)
          await expectHeld(resource, false, 'after release in a run that was aborted')
        }
      },
    })

    checks.push({
      name: 'lets go when it ends',
      run: async () => {
        const session = await open()
        const found = await Array.fromAsync(session.resources())
        for (const resource of found) await session.quiesce?.(resource, never)
        await session[Symbol.asyncDispose]()
        for (const resource of found) await expectHeld(resource, false, 'after the session ended')
      },
    })
  }

  if (missing !== undefined) {
    checks.push({
      name: 'fails where there is nothing to back up',
      run: async () => {
        const find = async (): Promise<Source[]> => {
          await using session = await mode.open(checkOptions(mode.options, missing), quietContext())
          const sources: Source[] = []
          for await (const resource of session.resources()) {
            const source = await session.source(resource, resource.path, never)
            if (source.kind === 'stream') await readAll(source)
            sources.push(source)
          }
          return sources
        }
        await expectFailure(
          ['not-found', 'source', 'denied', 'unavailable', 'plugin'],
          find,
          'what is not there',
        )
      },
    })
  }

  if (restoresTo !== 'nothing') {
    const [kind, precious] = restoresTo === 'directory' ? ['tree', '.'] : ['stream', 'precious']
    const target = (destination: string, overwrite: false | 'always', facts: Resource['facts']) =>
      mode.target({ destination, overwrite, remove: false }, facts, quietContext())

    check('brings back into what is empty or new, and makes nothing itself', async (_, found) => {
      await using scratch = await makeScratch()
      const destination = path.join(scratch.path, 'new')
      const given = await target(destination, false, found[0]?.facts ?? {})
      expectEqual(given.kind, kind, 'kind of the target')
      expect(given.kind !== 'tree' || given.path === destination, 'the target is not what was named')
      expectEqual(await fs.readdir(scratch.path), [], 'what is there before the restore')
    })

    check('overwrites nothing that nobody asked it to', async (_, found) => {
      await using scratch = await makeScratch()
      const destination = path.join(scratch.path, precious)
      await fs.writeFile(path.join(scratch.path, 'precious'), 'precious')
      const facts = found[0]?.facts ?? {}
      await expectFailure(
        ['refused'],
        () => target(destination, false, facts),
        `a ${restoresTo} that is there`,
      )
      const given = await target(destination, 'always', facts)
      expectEqual(given.kind, kind, 'kind of the target')
      expect(
        given.kind !== 'tree' || given.overwrite === 'always',
        'the target does not overwrite when asked to',
      )
      expectEqual(await fs.readdir(scratch.path), ['precious'], 'what is there before the restore')
    })

    check('changes nothing when it is asked to tell or to compare', async (_, found) => {
      await using scratch = await makeScratch()
      const file = path.join(scratch.path, 'precious')
      await fs.writeFile(file, 'precious')
      const destination = path.join(scratch.path, precious)
      for (const purpose of ['preview', 'verify'] as const) {
        const asked = { destination, overwrite: 'always' as const, remove: false, purpose }
        // One that cannot do it says so.
        const given = await mode
          .target(asked, found[0]?.facts ?? {}, quietContext())
          .catch((error: unknown) => (isFailure(error) ? undefined : Promise.reject(error)))
        if (given === undefined) continue
        const kept = given.kind === 'entries' ? undefined : given.purpose
        expectEqual(kept, purpose, 'the `purpose` of a target that was asked for one')
        if (given.kind === 'stream' && purpose === 'verify') {
          const write = () => given.write(Readable.from([Buffer.from('another')]), 'precious', never)
          await expectFailure(['different'], write, 'comparing with another file')
        }
      }
      expectEqual(await fs.readFile(file, 'utf8'), 'precious', 'what was compared')
      expectEqual(await fs.readdir(scratch.path), ['precious'], 'what is there beside it')
    })
  }

  if (openHandles !== undefined) {
    checks.push({
      name: 'leaves nothing open',
      run: async () => {
        const once = async (): Promise<void> => {
          await using session = await open()
          for await (const resource of session.resources()) {
            await session.quiesce?.(resource, never)
            const source = await session.source(resource, resource.path, never)
            if (source.kind === 'stream') await readAll(source)
            await session.release?.(resource, never)
          }
        }
        await once()
        const before = await openHandles()
        for (let i = 0; i < 3; i++) await once()
        const after = await openHandles()
        expect(after <= before, `${after} handles are open where ${before} were`)
      },
    })
  }

  checks.push({ name: 'declares itself as it is', run: async () => expectDeclared(mode) })
  return checks
}

/** Bytes of a stream. */
async function readAll({ open }: StreamSource, signal = never): Promise<number> {
  let size = 0
  for await (const chunk of open(signal)) {
    expect(chunk instanceof Uint8Array, 'a chunk is no Uint8Array')
    size += chunk.length
  }
  return size
}

async function inTime(work: Promise<unknown>, patience: number, what: string): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what} does not end`)), patience)
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

async function makeScratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await fs.mkdtemp(path.join(tmpdir(), 'mode-contract-'))
  return { path: directory, [Symbol.asyncDispose]: () => fs.rm(directory, { recursive: true }) }
}
