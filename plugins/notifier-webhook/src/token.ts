import { readFile, stat } from 'node:fs/promises'
import { Failure, fromSystem } from '@freezer/sdk'

/**
 * The first line of `file`, without the white space around it.
 * @throws Failure `configuration` for what no header can carry, and those of the system
 */
export async function readToken(file: string): Promise<string> {
  let text: string
  try {
    const found = await stat(file)
    if (!found.isFile() || found.size > 65_536) throw unfit(file)
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw fromSystem(error, `read the token file ${file}`)
  }
  const token = text.split('\n', 1)[0]?.trim() ?? ''
  if (!/^[\x21-\x7e]+$/.test(token)) throw unfit(file)
  return token
}

function unfit(file: string): Failure {
  return new Failure('configuration', `The token file ${file} has no token in its first line.`, {
    remedy: 'Write the token there, in ASCII and without white space.',
  })
}
