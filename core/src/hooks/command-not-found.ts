import { Failure } from '@freezer/sdk'
import type { Hook } from '@oclif/core/hooks'
import { nearest } from '../nearest.ts'

/** Called by oclif with the words that name no command, joined with `:`. */
const hook: Hook.CommandNotFound = async ({ id, config }) => {
  const [first = '', ...rest] = id.split(':')
  if (rest.length > 0 && config.findCommand(first) !== undefined) {
    throw new Failure('usage', `Unexpected argument: ${rest.join(' ')}.`, {
      remedy: `See ${config.bin} ${first} --help.`,
    })
  }
  const meant = nearest(id, config.commandIDs)
  const known = config.commandIDs.map((command) => command.replaceAll(':', ' ')).join(', ')
  throw new Failure('usage', `There is no command ${id.replaceAll(':', ' ')}.`, {
    remedy:
      meant === undefined
        ? `The commands are ${known}; see ${config.bin} --help.`
        : `Perhaps ${meant.replaceAll(':', ' ')} is meant.`,
  })
}

export default hook
