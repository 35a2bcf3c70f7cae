/** What every codec of this package says in the same way: which block is meant, and what is wrong with it. */
import { type BlockFacts, Failure } from '@freezer/sdk'

/** A block's stream and number in 9 bytes: 0 for data, 1 for the index, then the number, big-endian. */
export function placeOf(facts: BlockFacts): Uint8Array {
  const place = new DataView(new ArrayBuffer(9))
  place.setUint8(0, facts.stream === 'data' ? 0 : 1)
  place.setBigUint64(1, BigInt(facts.number))
  return new Uint8Array(place.buffer)
}

/** The failure for a block that does not decrypt with `codec`. Of what it decrypts to, nothing is told. */
export function damaged(codec: string, facts: BlockFacts, message: string): Failure {
  return new Failure('damaged', message, {
    facts: { codec, stream: facts.stream, block: facts.number },
  })
}
