/**
 * A contract is a list of checks, each of which throws an error that says what is wrong. No test runner is needed; with
 * one, register them:
 *
 *     for (const check of storageContract(open)) test(check.name, check.run)
 */
import { isDeepStrictEqual } from 'node:util'
import { type FailureCode, isFailure } from '../src/contracts/failures.ts'

export interface Check {
  readonly name: string
  readonly run: () => Promise<void>
}

export interface ContractReport {
  readonly passed: readonly string[]
  /** Name and error of each check that failed. */
  readonly failed: ReadonlyMap<string, unknown>
}

/** Runs every check, one after the other, whatever the others say. */
export async function runContract(checks: readonly Check[]): Promise<ContractReport> {
  const passed: string[] = []
  const failed = new Map<string, unknown>()
  for (const { name, run } of checks) {
    try {
      await run()
      passed.push(name)
    } catch (error) {
      failed.set(name, error)
    }
  }
  return { passed, failed }
}

/** @throws Error with `message` unless `condition` holds */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** @throws Error naming both values unless they are deeply equal */
export function expectEqual<T>(actual: T, expected: T, what: string): void {
  expect(
    isDeepStrictEqual(actual, expected),
    `${what}: ${brief(actual)} where ${brief(expected)} was expected`,
  )
}

/** @throws Error naming the first difference unless both hold the same bytes */
export function expectBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  expect(actual.length === expected.length, `${what}: ${actual.length} bytes instead of ${expected.length}`)
  if (Buffer.compare(actual, expected) === 0) return
  throw new Error(`${what}: another byte at ${actual.findIndex((byte, at) => byte !== expected[at])}`)
}

/** @throws Error unless `run` fails with one of `codes`; an `AbortError` counts as `interrupted` */
export async function expectFailure(
  codes: readonly FailureCode[],
  run: () => unknown,
  what: string,
): Promise<void> {
  try {
    await run()
  } catch (error) {
    const aborted = error instanceof Error && error.name === 'AbortError'
    const code = isFailure(error) ? error.code : aborted ? 'interrupted' : undefined
    expect(
      code !== undefined && codes.includes(code),
      `${what}: Failure ${codes.join(' or ')} was expected, but it threw ${code ?? ''} ${error}`,
    )
    return
  }
  throw new Error(`${what}: Failure ${codes.join(' or ')} was expected, but it succeeded`)
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

/** Bytes that look random and are the same in every run. */
export function noise(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed * 2654435761 + 1
  for (let at = 0; at < words.length; at++) {
    // xorshift32 (Marsaglia, 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return new Uint8Array(words.buffer).subarray(0, size)
}
