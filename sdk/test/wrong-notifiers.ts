// Notifiers that each break the contract in one way, and the check that must notice. The right one rings a bell in memory.
import { setTimeout as pause } from 'node:timers/promises'
import { Failure, type Notifier, type RunReport, throwIfAborted } from '@freezer/sdk'
import type { NotifierUnderTest } from '@freezer/sdk/testing'

export interface WrongNotifier {
  readonly wrong: string
  readonly caughtBy: string
  readonly underTest: () => NotifierUnderTest
}

interface Bell {
  rung: number
  open: number
}

type Notify = Notifier['notify']

const options = {
  to: { type: 'string', default: 'me', help: 'Who is told' },
  token: { type: 'string', secret: true, help: 'What opens the door' },
} as const

function underTest(change: (bell: Bell, right: Notify) => Partial<Notifier>): NotifierUnderTest {
  const bell: Bell = { rung: 0, open: 0 }
  const right: Notify = async (_, { to }, { signal }) => {
    throwIfAborted(signal)
    if (to === 'nobody') throw new Failure('unavailable', 'Nobody is there.')
    if (to === 'ever') await pause(60_000, undefined, { signal })
    bell.rung++
  }
  const silent = { to: 'ever' }
  return {
    notifier: { name: 'bell', description: 'Bell', options, notify: right, ...change(bell, right) },
    options: { token: 'hunter2' },
    arrived: () => bell.rung,
    unreachable: { to: 'nobody', token: 'hunter2' },
    silent,
    openHandles: () => bell.open,
  }
}

export const rightNotifier = (): NotifierUnderTest => underTest(() => ({}))

function wrong(what: string, caughtBy: string, change: (bell: Bell, right: Notify) => Partial<Notifier>) {
  return { wrong: what, caughtBy, underTest: () => underTest(change) }
}

const outcomes = 'tells of every outcome, once'
const intact = 'leaves the report as it is'
const nobody = 'says when it reaches nobody, without a secret'
const aborted = 'gives up when it is aborted'
const declared = 'declares itself as it is'

const only = (tells: (report: RunReport) => boolean) => (_: Bell, right: Notify) => ({
  notify: async (...given: Parameters<Notify>) => {
    if (tells(given[0])) await right(...given)
  },
})

export const wrongNotifiers: readonly WrongNotifier[] = [
  wrong(
    'tells of failures alone',
    outcomes,
    only(({ outcome }) => outcome === 'failure'),
  ),
  wrong(
    'tells of no failure',
    outcomes,
    only(({ outcome }) => outcome !== 'failure'),
  ),
  wrong(
    'has nothing to say without backups',
    outcomes,
    only(({ backups = [] }) => backups.length > 0),
  ),
  wrong('cannot do without a name', outcomes, (_, right) => ({
    notify: async (report, ...rest) => right({ ...report, name: (report.name as string).trim() }, ...rest),
  })),
  wrong('tells twice', outcomes, (_, right) => ({
    notify: async (...given) => {
      await right(...given)
      await right(...given)
    },
  })),
  wrong('changes the outcome', intact, (_, right) => ({
    notify: async (report, ...rest) => {
      Object.assign(report, { outcome: 'warnings' })
      await right(report, ...rest)
    },
  })),
  wrong('takes facts away', intact, (_, right) => ({
    notify: async (report, ...rest) => {
      ;(report.backups as unknown[] | undefined)?.pop()
      await right(report, ...rest)
    },
  })),
  wrong('hides that nobody is there', nobody, (_, right) => ({
    notify: async (...given) => right(...given).catch(() => {}),
  })),
  wrong('throws what is no failure', nobody, (_, right) => ({
    notify: async (...given) => {
      try {
        await right(...given)
      } catch {
        throw new Error('ECONNREFUSED')
      }
    },
  })),
  wrong('calls it a defect', nobody, () => ({
    notify: async () => {
      throw new Failure('internal', 'No answer.')
    },
  })),
  wrong('shows its token', nobody, () => ({
    notify: async (_, { token }) => {
      throw new Failure('unavailable', `Nobody took ${token}.`)
    },
  })),
  wrong('waits whatever the signal says', aborted, () => ({
    notify: () => new Promise(() => {}),
  })),
  wrong('says that it told when it was aborted', aborted, (_, right) => ({
    notify: async (...given) => {
      try {
        await right(...given)
      } catch (error) {
        if (!given[2].signal.aborted) throw error
      }
    },
  })),
  wrong('leaves a connection open', 'leaves nothing open', (bell, right) => ({
    notify: async (...given) => {
      bell.open++
      await right(...given)
    },
  })),
  wrong('has a secret with a default', declared, () => ({
    options: { token: { type: 'string', secret: true, default: 'hunter2', help: 'Token' } },
  })),
  wrong('has no description', declared, () => ({ description: '' })),
]
