import { Failure, toRecord } from '@freezer/sdk'
import type { Speed, StorageCheck, StorageTestReport } from '@freezer/sdk/testing'
import type { Outcome } from './reporter.ts'
import { duration, size, table, visible } from './text.ts'

export function storageTestOutcome({ checks, put, get }: StorageTestReport): Outcome {
  const failed = checks.filter(({ passed }) => !passed)
  const columns = [
    { title: 'RESULT' },
    { title: 'TIME', align: 'right' },
    { title: 'WHAT A STORAGE DOES' },
  ] as const
  const rows = checks.map(({ name, passed, seconds }) => [
    passed ? 'passed' : 'FAILED',
    duration(seconds),
    name,
  ])
  return {
    json: {
      passed: failed.length === 0,
      checks: checks.map(({ failure, ...check }) => ({
        ...check,
        ...(failure === undefined ? {} : { failure: toRecord(failure) }),
      })),
      put: shown(put),
      get: shown(get),
    },
    lines: [
      ...table(columns, rows),
      '',
      ...failed.map(({ name, why }) => visible(`Failed: ${name}: ${why}`)),
      ...(put === undefined || get === undefined
        ? []
        : [`Sent ${size(put.bytes)} at ${rateOf(put)}, fetched them at ${rateOf(get)}.`]),
    ],
    failure: failureOf(checks.length, failed),
  }
}

function failureOf(all: number, failed: readonly StorageCheck[]): Failure | undefined {
  if (failed.length === 0) return undefined
  const message = `${failed.length} of ${all} checks failed.`
  const why = failed.find(({ failure }) => failure !== undefined)?.failure
  if (why !== undefined) return new Failure(why.code, `${message} ${why.message}`, why)
  return new Failure('different', `${message} The storage does not keep what Freezer needs it to keep.`, {
    remedy: 'Use another storage, or report this together with what kind of server it is.',
  })
}

function shown(speed: Speed | undefined): object | undefined {
  return speed === undefined ? undefined : { ...speed, rate: speed.bytes / speed.seconds }
}

function rateOf({ bytes, seconds }: Speed): string {
  return `${size(Math.round(bytes / seconds))}/s`
}
