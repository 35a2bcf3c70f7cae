/** A target opened for what is to be done with it. */
import type { EngineRestore, TreeTarget } from '@freezer/sdk'
import { ComparedTree } from './comparison.ts'
import { EntryReceiver } from './entry-receiver.ts'
import { PreviewTree } from './preview.ts'
import type { Receiver } from './receiver.ts'
import { TargetTree } from './target.ts'

/** @throws Failure `not-found`, `denied`, `no-space` */
export function openTree(target: TreeTarget, { warn, tell }: Pick<EngineRestore, 'warn' | 'tell'>): Receiver {
  const options = { ...target, warn, tell }
  if (target.purpose === 'preview') return new PreviewTree(target.path, options)
  if (target.purpose === 'verify') return new ComparedTree(target.path, options)
  return new TargetTree(target.path, options)
}

/** What takes the entries of a restore, be it a directory or not. @throws Failure `not-found`, `denied`, `no-space` */
export function openTarget({
  target,
  warn,
  tell,
}: Pick<EngineRestore, 'target' | 'warn' | 'tell'>): Receiver {
  return target.kind === 'entries' ? new EntryReceiver(target) : openTree(target, { warn, tell })
}
