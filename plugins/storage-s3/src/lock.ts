/** Retention of what is put: object lock, where the bucket offers it. */
import { type Context, Failure, type Options } from '@freezer/sdk'
import type { Bucket } from './bucket.ts'
import { fromRefusal } from './failures.ts'
import type { s3Options } from './options.ts'
import { textOf } from './xml.ts'

/** Bytes of what a bucket says about its locks. */
const longestAnswer = 64 * 1024

const day = 86_400_000

/** What each put is locked by. */
export class Lock {
  readonly #mode: string
  readonly #days: number
  readonly #now: () => number
  /** Whether the bucket said that it locks objects. */
  #offered = false

  constructor(mode: string, days: number, now: () => number) {
    this.#mode = mode.toUpperCase()
    this.#days = days
    this.#now = now
  }

  /**
   * The headers that lock an object put now. A service that knows no locks ignores them, so the bucket is asked before the first.
   * @throws Failure `denied` also when the bucket does not lock objects: whoever reads goes on without a lease then; `unavailable`
   */
  async headers(bucket: Bucket, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    if (!this.#offered) await demand(bucket, signal)
    this.#offered = true
    const until = new Date(this.#now() + this.#days * day)
    return {
      'x-amz-object-lock-mode': this.#mode,
      'x-amz-object-lock-retain-until-date': until.toISOString(),
    }
  }
}

/** @throws Failure `usage` for one of the two options without the other */
export function lockOf(
  { s3ObjectLock: mode, s3ObjectLockDays: days }: Options<typeof s3Options>,
  { now }: Context,
): Lock | undefined {
  if (mode !== undefined && days !== undefined) return new Lock(mode, days, now)
  if (mode === undefined && days === undefined) return undefined
  throw new Failure('usage', '--s3-object-lock and --s3-object-lock-days need each other.', {
    remedy: 'Give both, or neither.',
  })
}

async function demand(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const what = `see whether the bucket ${bucket.name} locks objects`
  const answer = await bucket.send({ method: 'GET', query: { 'object-lock': '' } }, signal)
  if (answer.status === 200) {
    if (textOf(await answer.text(longestAnswer), 'ObjectLockEnabled') === 'Enabled') return
  } else {
    const refusal = await bucket.refusal(answer)
    const none = refusal.status === 404 || refusal.status === 501 || refusal.code === 'MethodNotAllowed'
    if (!none) throw fromRefusal(refusal, what)
    if (refusal.code === 'NoSuchBucket') throw await bucket.missing(what, signal)
  }
  throw new Failure('denied', `The bucket ${bucket.name} does not lock objects.`, {
    remedy: 'Use a bucket made with object lock, or leave out --s3-object-lock.',
  })
}
