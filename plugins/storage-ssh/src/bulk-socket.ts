import { type OnReadOpts, Socket } from 'node:net'

/** Bytes read at once when much comes. */
const bulk = 1024 * 1024

/** Bytes read at once before. */
const little = 64 * 1024

/**
 * A socket for ssh2 that passes much in few calls of the system and little memory. What is written in one go goes out
 * in one call: ssh2 writes each packet as three pieces, and Nagle's algorithm, which would join them, must be off, because
 * with it requests wait for answers. What comes in is read into the same memory again and again, once `reuse` was called.
 */
export class BulkSocket extends Socket {
  #gathering = false
  #reused: Buffer | undefined

  /** A socket that does not wait with what it sends. */
  static create(): BulkSocket {
    const onread: OnReadOpts = {
      buffer: () => socket.#reused ?? Buffer.allocUnsafeSlow(little),
      callback: (count, bytes) => {
        socket.emit('data', Buffer.from(bytes.buffer, bytes.byteOffset, count))
        return true
      },
    }
    const socket = new BulkSocket({ onread })
    socket.setNoDelay(true)
    return socket
  }

  /** To be called when whoever listens copies what it gets. */
  reuse(): void {
    this.#reused ??= Buffer.allocUnsafeSlow(bulk)
  }

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
