import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import {
  asFailure,
  exitStatus,
  Failure,
  type FailureCode,
  failureTable,
  fromRecord,
  fromSystem,
  isFailure,
  isTemporary,
  throwIfAborted,
  toRecord,
} from '../src/contracts/failures.ts'

const systemError = (code: string) => Object.assign(new Error(`${code}: it failed`), { code })

test('each code has an exit status that a shell can tell from success, and only an outage is temporary', () => {
  for (const [code, { exit, temporary }] of Object.entries(failureTable)) {
    const failure = new Failure(code as FailureCode, 'It failed.')
    assert.ok(exit > 0 && exit < 256)
    assert.equal(exitStatus(failure), exit)
    assert.equal(isTemporary(failure), temporary)
    assert.equal(temporary, code === 'unavailable')
  }
})

test('whatever is no failure is a defect, and is not tried again', () => {
  for (const thrown of [new Error('x'), 'x', undefined, null, 5, { code: 'unavailable' }]) {
    assert.equal(isFailure(thrown), false)
    assert.equal(exitStatus(thrown), 1)
    assert.equal(isTemporary(thrown), false)
    assert.equal(asFailure(thrown).code, 'internal')
  }
})

test('a failure of another copy of the sdk is one', async () => {
  const url = new URL('../src/contracts/failures.ts?copy', import.meta.url).href
  const copy = (await import(url)) as typeof import('../src/contracts/failures.ts')
  const failure = new copy.Failure('unavailable', 'Busy.')
  assert.ok(!(failure instanceof Failure))
  assert.ok(isFailure(failure))
  assert.equal(asFailure(failure), failure)
  assert.equal(exitStatus(failure), 9)
  assert.ok(isTemporary(failure))
})

test('a code that this copy does not know is a defect', () => {
  const failure = new Failure('from-the-future' as FailureCode, 'It failed.')
  assert.equal(exitStatus(failure), 1)
  assert.equal(isTemporary(failure), false)
})

test('a failure crosses a thread as a record', () => {
  const failure = new Failure('damaged', 'Broken.', { remedy: 'Check it.', facts: { block: 3 }, cause: 'x' })
  const record = structuredClone(toRecord(failure))
  assert.deepEqual(record, { code: 'damaged', message: 'Broken.', remedy: 'Check it.', facts: { block: 3 } })
  const back = fromRecord(record)
  assert.ok(isFailure(back))
  assert.deepEqual(toRecord(back), record)
  assert.equal(toRecord(new Error('x')).code, 'internal')
})

test('an abort is an interruption, whatever its reason', () => {
  const reasons = [undefined, new Error('mine'), 'text', new Failure('damaged', 'Broken.')]
  for (const reason of reasons) {
    assert.throws(() => throwIfAborted(AbortSignal.abort(reason)), { code: 'interrupted' })
  }
  throwIfAborted(new AbortController().signal)
  const aborted: unknown = AbortSignal.abort().reason
  assert.equal(asFailure(aborted).code, 'interrupted')
  assert.equal(fromSystem(aborted, 'read it').code, 'interrupted')
})

test('errors of the system say what was being done', async () => {
  const codes = {
    ENOENT: 'not-found',
    EACCES: 'denied',
    EROFS: 'denied',
    ENOSPC: 'no-space',
    EDQUOT: 'no-space',
    ECONNRESET: 'unavailable',
    ESTALE: 'unavailable',
    EIO: 'damaged',
  }
  for (const [system, code] of Object.entries(codes)) {
    const cause = systemError(system)
    const failure = fromSystem(cause, 'write /b/x')
    assert.equal(failure.code, code)
    assert.equal(failure.message, `Cannot write /b/x: ${system}.`)
    assert.equal(failure.cause, cause)
    assert.deepEqual(failure.facts, { system })
  }
  await assert.rejects(
    open('/no/such/file').catch((error: unknown) => {
      throw fromSystem(error, 'read it')
    }),
    { code: 'not-found' },
  )
})

test('an error of the system that nobody knows is a defect, a failure stays what it is', () => {
  const failure = new Failure('refused', 'No.')
  assert.equal(fromSystem(failure, 'write'), failure)
  for (const thrown of [systemError('EWEIRD'), new TypeError('x'), undefined, null, 'text']) {
    assert.equal(fromSystem(thrown, 'write').code, 'internal')
  }
})
