import { Socket } from 'node:net'

/**
 * A socket that hands what is written in one go to the system in one call. ssh2 writes each packet as three pieces,
 * and Nagle's algorithm, which would join them, must be off: with it, requests wait for answers.
 */
export class BatchingSocket extends Socket {
  #gathering = false

  override write(data: Uint8Array | string): boolean {
    if (!this.#gathering) {
      this.#gathering = true
      this.cork()
      process.nextTick(() => {
        this.#gathering = false
        this.uncork()
      })
    }
    return super.write(data)
  }
}
