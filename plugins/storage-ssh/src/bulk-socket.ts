import { type OnReadOpts, Socket } from 'node:net'

/** Bytes read at once when much comes. */
const bulk = 1024 * 1024

/** Bytes of a packet that is worth freeing; those of a handshake, which ssh2 keeps for a while, are smaller. */
const large = 16 * 1024

/** Bytes read at once before. */
const little = 64 * 1024

/**
 * A socket for ssh2 that passes much in few calls of the system and little memory. What is written in one go goes out
 * in one call: ssh2 writes each packet as three pieces, and Nagle's algorithm, which would join them, must be off, because
 * with it requests wait for answers. What was written is freed. What comes in is read into the same memory again and again,
 * once `reuse` was called.
 */
export class BulkSocket extends Socket {
  #gathering = false
  #reused: Buffer | undefined

  /** A socket that is being connected, and does not wait with what it sends. */
  static connect(host: string, port: number): BulkSocket {
    const onread: OnReadOpts = {
      buffer: () => socket.#reused ?? Buffer.allocUnsafeSlow(little),
      callback: (count, bytes) => {
        socket.emit('data', Buffer.from(bytes.buffer, bytes.byteOffset, count))
        return true
      },
    }
    const socket = new BulkSocket({ onread })
    socket.setNoDelay(true)
    socket.connect({ host, port })
    // Connecting puts the `write` of Socket into the place of one that a class inherits, so it must come after.
    const write = socket.write.bind(socket)
    socket.write = (data: Uint8Array | string) => {
      socket.#gather()
      return write(data, () => free(data))
    }
    return socket
  }

  /** To be called when whoever listens copies what it gets. */
  reuse(): void {
    this.#reused ??= Buffer.allocUnsafeSlow(bulk)
  }

  #gather(): void {
    if (this.#gathering) return
    this.#gathering = true
    this.cork()
    process.nextTick(() => {
      this.#gathering = false
      this.uncork()
    })
  }
}

/** Frees the memory behind what was written: ssh2 makes every large packet in memory of its own, and forgets it. */
function free(data: Uint8Array | string): void {
  if (typeof data === 'string') return
  const { buffer } = data
  if (!(buffer instanceof ArrayBuffer) || buffer.detached) return
  if (buffer.byteLength > large && buffer.byteLength !== Buffer.poolSize) buffer.transfer(0)
}
