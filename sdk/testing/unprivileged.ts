import { expect } from './contract.ts'

/** The user that owns nothing. */
const nobody = 65534

/**
 * Runs `work`; from when it calls `drop` until it ends, this process has no more rights than any user. Root can read
 * everything, so that nothing would be unreadable.
 */
export async function unprivileged<T>(work: (drop: () => void) => Promise<T>): Promise<T> {
  const user = process.geteuid?.()
  let dropped = user !== 0
  const drop = (): void => {
    if (dropped) return
    process.seteuid?.(nobody)
    dropped = true
  }
  try {
    const result = await work(drop)
    expect(dropped, 'the engine did not ask what the level below knew')
    return result
  } finally {
    if (user === 0) process.seteuid?.(0)
  }
}
