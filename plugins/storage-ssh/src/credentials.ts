/** What an account logs in with. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '@freezer/sdk'
import ssh2, { type AnyAuthMethod, type ParsedKey } from 'ssh2'

export interface CredentialOptions {
  readonly username: string
  /** File of a private key. */
  readonly key: string | undefined
  readonly passphrase: string | undefined
  readonly passphraseFile: string | undefined
  readonly password: string | undefined
  readonly passwordFile: string | undefined
  /** Socket of an agent. */
  readonly agent: string | undefined
}

/** One way to log in. */
export interface Credential {
  readonly method: AnyAuthMethod
  /** For messages: `the key /home/me/.ssh/id_ed25519`. */
  readonly what: string
}

/** Keys that are tried when none was named, as OpenSSH calls them. */
const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/**
 * The ways to log in, in the order in which they are tried: a key and a password that were named; else the agent and
 * the usual keys of the person.
 * @throws Failure `configuration` for a file that cannot be used, `key` for a passphrase that is missing or wrong
 */
export async function credentials(options: CredentialOptions): Promise<readonly Credential[]> {
  const { username, agent } = options
  const found: Credential[] = []
  if (options.key !== undefined) {
    const passphrase = options.passphrase ?? (await firstLine(options.passphraseFile, 'passphrase'))
    found.push(keyCredential(username, options.key, await readKey(options.key, passphrase)))
  }
  const password = options.password ?? (await firstLine(options.passwordFile, 'password'))
  if (password !== undefined) found.push(...passwordCredentials(username, password))
  if (found.length > 0) return found
  if (agent !== undefined && agent !== '') {
    found.push({ method: { type: 'agent', username, agent }, what: 'the keys of the agent' })
  }
  for (const name of usualKeys) {
    const file = join(homedir(), '.ssh', name)
    // One that is missing, or has a passphrase, is not what the person meant.
    const key = await readKey(file, undefined).catch(() => undefined)
    if (key !== undefined) found.push(keyCredential(username, file, key))
  }
  if (found.length > 0) return found
  throw new Failure('configuration', 'There is nothing to log in with: no key, no agent, no password.', {
    remedy: 'Give --ssh-key, or start an SSH agent that holds a key.',
  })
}

function keyCredential(username: string, file: string, key: ParsedKey): Credential {
  return { method: { type: 'publickey', username, key }, what: `the key ${file}` }
}

/** Many servers ask for a password by a prompt instead of taking it at once. */
function passwordCredentials(username: string, password: string): Credential[] {
  let asked = false
  return [
    { method: { type: 'password', username, password }, what: 'the password' },
    {
      method: {
        type: 'keyboard-interactive',
        username,
        prompt(_name, _instructions, _language, prompts, finish) {
          const hidden = prompts.length === 1 && prompts[0]?.echo !== true && !asked
          asked = true
          finish(hidden ? [password] : [])
        },
      },
      what: 'the password',
    },
  ]
}

async function readKey(file: string, passphrase: string | undefined): Promise<ParsedKey> {
  const text = await readSecret(file, 'The key file')
  const parsed = ssh2.utils.parseKey(text, passphrase)
  // OpenSSH's format has room for several keys, and its programs use the first.
  const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed
  if (!(key instanceof Error)) {
    if (key.isPrivateKey()) return key
    throw new Failure('configuration', `${file} holds a public key, not a private one.`, {
      remedy: `Name the private key, most likely ${file.replace(/\.pub$/, '')}.`,
    })
  }
  if (/no passphrase/i.test(key.message)) {
    throw new Failure('key', `The key ${file} has a passphrase, and none was given.`, {
      remedy:
        'Give it with --ssh-key-passphrase-file or FREEZER_SSH_KEY_PASSPHRASE, or let an agent hold the key.',
    })
  }
  if (passphrase !== undefined && /passphrase|decrypt|integrity|malformed/i.test(key.message)) {
    throw new Failure('key', `The passphrase of the key ${file} is wrong.`, {
      remedy: 'Check the passphrase, and that it belongs to that key.',
    })
  }
  throw new Failure('configuration', `${file} is not a private key that can be used.`, {
    remedy:
      'Make one with ssh-keygen, which also brings one into the form that OpenSSH uses (-p); Ed25519, ECDSA and RSA are understood.',
    facts: { why: key.message },
  })
}

/** The first line of `file`. */
async function firstLine(file: string | undefined, what: string): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = (await readSecret(file, `The ${what} file`)).toString('utf8')
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line !== '') return line
  throw new Failure('key', `The ${what} file ${file} has no ${what} in its first line.`, {
    remedy: `Write the ${what} into the first line of that file.`,
  })
}

async function readSecret(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('configuration', `${what} ${file} cannot be read: ${code}.`, {
      remedy: 'Check the path, and that you may read the file.',
      cause: error,
    })
  }
}
