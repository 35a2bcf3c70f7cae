import { type EngineList, Failure } from '@freezer/sdk'

/** @throws Failure `plugin`: the archive is the stream alone, and tells neither its name nor where it ends */
export async function list(_run: EngineList): Promise<void> {
  throw new Failure('plugin', 'The archive of the engine "stream" is a stream, and lists nothing.', {
    remedy: 'Decompress its segments: what comes of them is the stream.',
  })
}
