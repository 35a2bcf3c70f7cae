/**
 * The plugins that a person installed or linked. Each that is installed has a folder of its own, with all that it needs: so
 * none disturbs another, a new version takes the place of the old one at once or not at all, and taking it away
 * is removing the folder. A list beside them says where each package lies, in the form that oclif reads:
 *
 *     DATA/package.json                     the list
 *     DATA/installed/NAME/package.json      what was asked for, and the sdk of this program in place of any other
 *     DATA/installed/NAME/node_modules/…
 */
import { existsSync, readFileSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure, fromSystem } from '@freezer/sdk'
import { installedFolder } from '../discovery.ts'
import { npm } from './npm.ts'

export interface ListedPlugin {
  readonly name: string
  /** Where its `package.json` is. */
  readonly root: string
}

/** How a package came here. */
export interface Origin {
  readonly kind: 'bundled' | 'registry' | 'tarball' | 'other' | 'link'
  /** An address, or a path. */
  readonly from: string
  /** Of the tarball, as npm wrote it down. */
  readonly integrity?: string | undefined
}

/** A package that is whole, and not yet in its place. */
export interface StagedPlugin extends AsyncDisposable, ListedPlugin {}

const sdk = '@freezer/sdk'
const staging = '.staged-'
/** Milliseconds after which nobody works in a staging folder any more. */
const leftOver = 24 * 3_600_000

/** The plugins below `dataDir`, by name. */
export async function listedPlugins(dataDir: string): Promise<ListedPlugin[]> {
  const { oclif } = await readList(dataDir)
  return oclif.plugins.map(({ name, root }) => ({ name, root }))
}

/**
 * Puts a plugin on the list, in place of an earlier one of its name, whose folder goes away if it had one.
 *
 * @throws Failure `denied`, `no-space`
 */
export async function enlist(dataDir: string, { name, root }: ListedPlugin): Promise<void> {
  const list = await readList(dataDir)
  const others = list.oclif.plugins.filter((one) => one.name !== name)
  await writeList(dataDir, {
    ...list,
    oclif: { ...list.oclif, plugins: [...others, { name, type: 'link', root }] },
  })
  if (!isInstalled(dataDir, root)) await rm(folderOf(dataDir, name), { recursive: true, force: true })
}

/** Takes a plugin off the list, and away if it was installed. */
export async function delist(dataDir: string, name: string): Promise<void> {
  const list = await readList(dataDir)
  const plugins = list.oclif.plugins.filter((one) => one.name !== name)
  await writeList(dataDir, { ...list, oclif: { ...list.oclif, plugins } })
  await rm(folderOf(dataDir, name), { recursive: true, force: true })
}

/**
 * Installs what `spec` means to npm (a name, `name@version`, a tarball, an address) where nobody finds it yet.
 *
 * @param scripts also run the install scripts of the package and of what it needs
 * @throws Failure `usage`, `not-found`, `unavailable`, `denied`, `no-space`, `plugin`
 */
export async function stage(
  dataDir: string,
  spec: string,
  scripts: boolean,
  signal: AbortSignal,
): Promise<StagedPlugin> {
  const wanted = await absoluteSpec(spec)
  const folder = join(dataDir, installedFolder)
  let directory: string
  try {
    await mkdir(folder, { recursive: true })
    await removeLeftovers(folder)
    directory = await mkdtemp(join(folder, staging))
  } catch (error) {
    throw fromSystem(error, `write to ${folder}`)
  }
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const own = {
      private: true,
      dependencies: { [sdk]: `file:${sdkRoot()}` },
      overrides: { [sdk]: `$${sdk}` },
    }
    await writeFile(join(directory, 'package.json'), JSON.stringify(own, undefined, 2))
    const words = ['install', '--save', ...(scripts ? [] : ['--ignore-scripts']), '--', wanted]
    await npm(directory, words, `install ${spec}`, signal)
    const { dependencies } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
    const name = Object.keys(dependencies).find((one) => one !== sdk)
    if (name === undefined) throw new Failure('usage', `${spec} is no package that can be a plugin.`)
    return { name, root: join(directory, 'node_modules', name), [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Puts a staged plugin in its place. Returns where it is now. */
export async function settle(dataDir: string, { name, root }: StagedPlugin): Promise<ListedPlugin> {
  const folder = folderOf(dataDir, name)
  const staged = root.slice(0, root.lastIndexOf(join(sep, 'node_modules', name)))
  const old = `${staged}-old`
  if (existsSync(folder)) await rename(folder, old)
  await rename(staged, folder)
  await rm(old, { recursive: true, force: true })
  return { name, root: join(folder, 'node_modules', name) }
}

/** Gives an installed plugin the sdk of this program, where that lies elsewhere now. */
export async function mendSdk({ name, root }: ListedPlugin): Promise<void> {
  const link = join(root.slice(0, -name.length), sdk)
  if ((await realpath(link).catch(() => undefined)) === (await realpath(sdkRoot()))) return
  await rm(link, { recursive: true, force: true })
  await mkdir(dirname(link), { recursive: true })
  await symlink(sdkRoot(), link)
}

/** Where the package at `root` came from, as npm wrote it down for those that it installed. */
export function originOf(dataDir: string, { name, root }: ListedPlugin): Origin {
  if (!isInstalled(dataDir, root)) return { kind: 'link', from: root }
  try {
    const lock = JSON.parse(readFileSync(join(folderOf(dataDir, name), 'package-lock.json'), 'utf8'))
    const { resolved, integrity } = lock.packages[`node_modules/${name}`]
    const spec: string = lock.packages[''].dependencies[name]
    // The lock names a file relative to its folder; the folder was another one when it was written, as deep as this one.
    if (spec.startsWith('file:')) {
      return {
        kind: 'tarball',
        from: resolve(folderOf(dataDir, name), spec.slice('file:'.length)),
        integrity,
      }
    }
    return { kind: /^[\d^~<>=*]|^[\w-]+$/.test(spec) ? 'registry' : 'other', from: resolved, integrity }
  } catch {
    return { kind: 'other', from: 'unknown' }
  }
}

/** Whether the package at `root` is one that was installed, not linked. */
export function isInstalled(dataDir: string, root: string): boolean {
  const path = relative(join(dataDir, installedFolder), root)
  return !path.startsWith('..') && !isAbsolute(path)
}

/** What killed installations left here, some time ago. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(staging)) continue
    const path = join(folder, name)
    const { mtimeMs } = await stat(path)
    if (Date.now() - mtimeMs > leftOver) await rm(path, { recursive: true, force: true })
  }
}

/** A path is taken from where the person is, not from where npm runs. */
async function absoluteSpec(spec: string): Promise<string> {
  const path = resolve(spec.replace(/^file:/, ''))
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    if (!/^(?:file:|\.{0,2}\/|[^@:]+\.(?:tgz|tar\.gz)$)/.test(spec)) return spec
    throw new Failure('not-found', `There is no file ${path}.`, { remedy: 'Check the path.' })
  }
  if (!found.isDirectory()) return path
  throw new Failure('usage', `${spec} is a directory.`, {
    remedy: 'Use "freezer plugins link" for it, or install the tarball that "npm pack" makes of it.',
  })
}

/** The sdk that this program uses. */
function sdkRoot(): string {
  return dirname(fileURLToPath(import.meta.resolve(`${sdk}/package.json`)))
}

function folderOf(dataDir: string, name: string): string {
  return join(dataDir, installedFolder, name.replace('/', '+'))
}

interface List {
  readonly oclif: {
    readonly plugins: readonly { readonly name: string; readonly type: string; readonly root: string }[]
  }
}

/** @throws Failure `configuration` for a list that cannot be read */
async function readList(dataDir: string): Promise<List> {
  const file = join(dataDir, 'package.json')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(error, `read ${file}`)
    return { oclif: { plugins: [] } }
  }
  try {
    const list = JSON.parse(text)
    return { ...list, oclif: { ...list.oclif, plugins: list.oclif?.plugins ?? [] } }
  } catch (error) {
    throw new Failure('configuration', `${file}, the list of your plugins, is not JSON.`, {
      remedy: 'Mend it, or remove it and install your plugins anew.',
      cause: error,
    })
  }
}

async function writeList(dataDir: string, list: List): Promise<void> {
  const file = join(dataDir, 'package.json')
  const fresh = `${file}.${process.pid}`
  try {
    await mkdir(dataDir, { recursive: true })
    const whole = { private: true, name: 'freezer-plugins', ...list }
    await writeFile(fresh, `${JSON.stringify(whole, undefined, 2)}\n`)
    await rename(fresh, file)
  } catch (error) {
    throw fromSystem(error, `write ${file}`)
  }
}
