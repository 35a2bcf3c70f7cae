/** What `contracts/notifier.ts` promises, as checks that any notifier can be put through. */
import { quietContext } from '../src/contracts/context.ts'
import { isFailure } from '../src/contracts/failures.ts'
import type { Notifier, RunReport } from '../src/contracts/notifier.ts'
import { checkOptions } from '../src/contracts/options.ts'
import { type Check, expect, expectEqual, expectFailure } from './contract.ts'
import { expectDeclared } from './declared.ts'

export interface NotifierUnderTest {
  readonly notifier: Notifier
  /** Values for its options, with which it reaches somebody. */
  readonly options: Readonly<Record<string, unknown>>
  /** How many messages have arrived there. */
  readonly arrived: () => number | Promise<number>
  /** Values with which it reaches nobody. */
  readonly unreachable: Readonly<Record<string, unknown>>
  /** Values with which it is let wait for ever. Without them no check aborts it. */
  readonly silent?: Readonly<Record<string, unknown>>
  /** Descriptors and connections open now; without it no check looks for leaks. */
  readonly openHandles?: () => number | Promise<number>
}

const success: RunReport = {
  run: '6f1c7d3e-0000-4000-8000-000000000001',
  command: 'backup',
  outcome: 'success',
  exitStatus: 0,
  machine: 'machine',
  storage: 'local',
  host: 'host',
  name: 'name',
  started: '2026-01-01T00:00:00.000Z',
  ended: '2026-01-01T00:00:01.000Z',
  seconds: 1,
  backups: [{ host: 'host', name: 'name', facts: { id: '00', level: 0, unread: 0, locked: undefined } }],
}
const reports: readonly RunReport[] = [
  success,
  {
    ...success,
    outcome: 'failure',
    exitStatus: 9,
    failure: { code: 'unavailable', message: 'Nobody\nanswers: "ü" \u2028' },
    backups: undefined,
    host: undefined,
    name: undefined,
  },
  { ...success, outcome: 'warnings', exitStatus: 3, backups: [] },
]
/** Milliseconds in which an aborted call must have come back. */
const patience = 3000

/** The checks of the notifier contract. */
export function notifierContract({
  notifier,
  options,
  arrived,
  unreachable,
  silent,
  openHandles,
}: NotifierUnderTest): readonly Check[] {
  const notify = (
    report: RunReport,
    values: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<void> => notifier.notify(report, checkOptions(notifier.options, values), quietContext(signal))
  const checks: Check[] = [
    {
      name: 'tells of every outcome, once',
      run: async () => {
        for (const report of reports) {
          const before = await arrived()
          await notify(report, options)
          expectEqual((await arrived()) - before, 1, `messages of a ${report.outcome}`)
        }
      },
    },
    {
      name: 'leaves the report as it is',
      run: async () => {
        const report = structuredClone(success)
        await notify(report, options)
        expectEqual(report, success, 'report after it was told')
      },
    },
    {
      name: 'says when it reaches nobody, without a secret',
      run: async () => {
        const before = await arrived()
        let failure: unknown
        await expectFailure(
          ['unavailable', 'denied', 'configuration', 'usage', 'not-found', 'untrusted'],
          async () => {
            try {
              await notify(success, unreachable)
            } catch (error) {
              failure = error
              throw error
            }
          },
          'a message that reaches nobody',
        )
        const secrets = Object.entries(notifier.options)
          .filter(([option, { secret }]) => secret === true && typeof unreachable[option] === 'string')
          .map(([option]) => String(unreachable[option]))
        const said = isFailure(failure)
          ? JSON.stringify([failure.message, failure.remedy, failure.facts])
          : ''
        expect(!secrets.some((secret) => said.includes(secret)), 'its failure shows a secret')
        expectEqual(await arrived(), before, 'messages that arrived')
      },
    },
    { name: 'declares itself as it is', run: async () => expectDeclared(notifier) },
  ]
  if (silent !== undefined) {
    checks.push({
      name: 'gives up when it is aborted',
      run: async () => {
        const stop = new AbortController()
        const told = notify(success, silent, stop.signal)
        told.catch(() => {})
        setTimeout(() => stop.abort(), 50)
        const late = Promise.withResolvers<never>()
        const timer = setTimeout(() => late.reject(new Error('it goes on after it was aborted')), patience)
        try {
          await expectFailure(
            ['interrupted', 'unavailable'],
            () => Promise.race([told, late.promise]),
            'aborted',
          )
        } finally {
          clearTimeout(timer)
        }
      },
    })
  }
  if (openHandles !== undefined) {
    checks.push({
      name: 'leaves nothing open',
      run: async () => {
        await notify(success, options)
        const before = await openHandles()
        for (let i = 0; i < 3; i++) await notify(success, options)
        const after = await openHandles()
        expect(after <= before, `${after} handles are open where ${before} were`)
      },
    })
  }
  return checks
}
