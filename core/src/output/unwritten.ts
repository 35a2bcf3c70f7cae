/** What could not be written to standard output or error. The work goes on as if it could; at its end it is told. */

let first: NodeJS.ErrnoException | undefined

/** Takes note of what cannot be written, in place of whoever would end the program for it. */
export function watchStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever reads our output may stop reading.
      if (error.code !== 'EPIPE') first ??= error
    })
  }
}

/** Why something that was shown never got there; undefined when all did. */
export function unwritten(): Error | undefined {
  return first
}
