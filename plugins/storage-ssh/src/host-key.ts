/** Whether the machine that answers is the one that was meant. */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Failure } from '@freezer/sdk'
import { fingerprint, type KnownHost, knownHost, knownLine, nameOf, typeOf } from './known-hosts.ts'

/** What every account of this machine trusts. */
const systemFile = '/etc/ssh/ssh_known_hosts'

export interface HostKeyPolicy {
  readonly host: string
  readonly port: number
  /** The file of known hosts; undefined for that of the account. */
  readonly file: string | undefined
  /** Write the key of a host down that is not known, and trust it. */
  readonly trustNew: boolean
}

export interface HostKeyCheck {
  /** Types of keys to ask the host for first: those by which it is known. */
  readonly types: readonly string[]
  /** @throws Failure `untrusted`; `denied`, `no-space` when a new key cannot be written down */
  verify(key: Uint8Array): Promise<void>
}

/** Reads what is known of a host. @throws Failure `configuration` when a file is there and cannot be read */
export async function hostKeyCheck(policy: HostKeyPolicy): Promise<HostKeyCheck> {
  const file = policy.file ?? join(homedir(), '.ssh', 'known_hosts')
  const texts = await Promise.all([file, systemFile].map(async (path) => ({ path, text: await read(path) })))
  const name = nameOf(policy.host, policy.port)
  const known = knownHost(texts, name)
  const endsInLine = /(^|\n)$/.test(texts[0]?.text ?? '')
  return {
    types: known.types,
    async verify(key) {
      const fault = distrust(known, key, name, file, policy.trustNew)
      if (fault !== undefined) throw fault
      if (known.judge(key).trust === 'known') return
      try {
        await mkdir(dirname(file), { recursive: true, mode: 0o700 })
        await appendFile(file, `${endsInLine ? '' : '\n'}${knownLine(name, key)}`, { mode: 0o600 })
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        throw new Failure('denied', `The key of ${name} cannot be written to ${file}: ${code}.`, {
          remedy: 'Make that file writable, or name another one with --ssh-known-hosts.',
          cause: error,
        })
      }
    },
  }
}

/** Why `key` is not to be trusted, if it is not. */
function distrust(
  known: KnownHost,
  key: Uint8Array,
  name: string,
  file: string,
  trustNew: boolean,
): Failure | undefined {
  const verdict = known.judge(key)
  const shown = `${typeOf(key)} ${fingerprint(key)}`
  const failure = (message: string, remedy: string) =>
    new Failure('untrusted', message, {
      remedy,
      facts: { hostKey: verdict.trust, host: name, fingerprint: fingerprint(key) },
    })
  switch (verdict.trust) {
    case 'known':
      return undefined
    case 'changed':
      return failure(
        `The host key of ${name} has changed: it shows ${shown}, which is not what ${verdict.origin} says.`,
        `Somebody may be between you and that machine. If its key was changed on purpose, run: ssh-keygen -f '${file}' -R '${name}'`,
      )
    case 'revoked':
      return failure(
        `The host key of ${name} is revoked by ${verdict.origin}: ${shown}.`,
        'Do not use that machine before its owner gave it a new key.',
      )
    case 'certified':
      return failure(
        `The host key of ${name} (${shown}) is not known, only an authority that signs such keys, which Freezer does not understand.`,
        `Ask the owner of the machine whether that key is right, and write it into ${file}.`,
      )
    case 'new':
      if (trustNew) return undefined
      return failure(
        `The host key of ${name} is not known: ${shown}.`,
        'Ask the owner of the machine whether that key is right; then connect once with ssh, or give --ssh-trust-new-host.',
      )
  }
}

/** The text of a file, '' when it is not there. */
async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return ''
    throw new Failure('configuration', `The file of known hosts ${path} cannot be read: ${code}.`, {
      remedy: 'Make it readable, or name another one with --ssh-known-hosts.',
      cause: error,
    })
  }
}
