/** What the commands about plugins say. */
import type { PluginManifest } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'
import type { Candidate, Registry } from '../admission.ts'
import type { AvailablePlugin } from '../available.ts'
import type { ChangedPlugin, UpdatedPlugin } from '../plugins/change.ts'
import type { Checked } from '../plugins/check.ts'
import type { CreatedPlugin } from '../plugins/create.ts'
import type { PluginDetails } from '../plugins/inspect.ts'
import type { LockedPlugin } from '../plugins/lock.ts'
import type { Output } from './output.ts'
import type { Outcome } from './reporter.ts'
import { facts, table, visible } from './text.ts'

export function pluginListOutcome({ candidates, refusals }: Registry): Outcome {
  const columns = [
    { title: 'PACKAGE' },
    { title: 'VERSION' },
    { title: 'ORIGIN' },
    { title: 'PROVIDES' },
  ] as const
  const sorted = candidates.toSorted((a, b) => rank(a) - rank(b) || (a.package < b.package ? -1 : 1))
  const refused = new Set(refusals.map(({ file }) => file))
  const rows = sorted.map((one) => [
    one.package,
    one.version,
    one.origin,
    refused.has(one.file) ? 'nothing: refused' : provided(providesOf(one)),
  ])
  return {
    json: {
      plugins: sorted.map((one) => ({
        package: one.package,
        version: one.version,
        origin: one.origin,
        file: one.file,
        provides: providesOf(one),
      })),
      refused: refusals,
    },
    lines: [
      ...table(columns, rows),
      ...refusals.flatMap(({ package: name, file, message, remedy }) => [
        '',
        visible(`Refused: ${name} (${file})`),
        visible(`  ${message} ${remedy}`),
      ]),
    ],
  }
}

/** Those of the program first. */
function rank({ origin }: Candidate): number {
  return origin === 'bundled' ? 0 : 1
}

export function availableOutcome(
  available: readonly AvailablePlugin[],
  installed: ReadonlySet<string>,
): Outcome {
  const plugins = available.map((one) => ({ ...one, installed: installed.has(one.package) }))
  const missing = plugins.filter((one) => !one.installed)
  const columns = [{ title: 'PACKAGE' }, { title: 'PROVIDES' }, { title: 'INSTALLED' }] as const
  return {
    json: { plugins },
    lines: [
      ...table(
        columns,
        plugins.map((one) => [one.package, provided(one.provides), one.installed ? 'yes' : 'no']),
      ),
      ...missing.map((one) => visible(`To install: freezer plugins install ${one.package}`)),
    ],
  }
}

export function changedOutcome(what: 'installed' | 'linked', plugins: readonly ChangedPlugin[]): Outcome {
  const word = what === 'installed' ? 'Installed' : 'Linked'
  return {
    json: { [what]: plugins },
    lines: plugins.map((one) =>
      visible(`${word} ${one.package} ${one.version}, which provides ${provided(one.provides)}.`),
    ),
  }
}

export function uninstalledOutcome(name: string): Outcome {
  return { json: { uninstalled: name }, lines: [visible(`Uninstalled ${name}.`)] }
}

export function updatedOutcome(plugins: readonly UpdatedPlugin[]): Outcome {
  const failed = plugins.find(({ failure }) => failure !== undefined)?.failure
  return {
    json: { updated: plugins },
    lines: [
      ...plugins.map(({ package: name, from, to, failure }) =>
        failure !== undefined
          ? visible(`${name} stays at ${from}: ${failure.message}`)
          : visible(to === from ? `${name} ${from} is the newest.` : `${name} ${from} → ${to}`),
      ),
      ...(plugins.length === 0 ? ['No plugin was installed from a registry.'] : []),
    ],
    failure:
      failed === undefined ? undefined : new Failure(failed.code, 'Not every plugin was updated.', failed),
  }
}

export function inspectOutcome(plugin: PluginDetails): Outcome {
  const { origin, refused } = plugin
  const from = origin.kind === 'bundled' ? 'part of Freezer' : `${origin.kind}, ${origin.from}`
  const kinds = Object.entries(plugin.provides).map(([kind, names]): [string, string] => [
    kind,
    Array.isArray(names) ? names.join(', ') : String(names),
  ])
  return {
    json: plugin,
    lines: facts([
      ['Package', plugin.package],
      ['Version', plugin.version],
      ['Origin', from],
      ['Integrity', origin.integrity ?? 'not known'],
      ['Directory', plugin.directory],
      ['Digest', plugin.digest],
      ['API', `${plugin.api ?? 'not known'} (this Freezer: ${plugin.hostApi})`],
      ...kinds,
      ...(refused === undefined ? [] : [['Refused', `${refused.message} ${refused.remedy}`] as const]),
    ]),
  }
}

export function lockOutcome(file: string, plugins: readonly LockedPlugin[]): Outcome {
  return {
    json: { file, plugins },
    lines: [
      ...plugins.map(({ package: name, version, digest }) => visible(`${name} ${version} ${digest}`)),
      visible(`${file} allows ${plugins.length === 0 ? 'none but the plugins of Freezer itself' : 'these'}.`),
    ],
  }
}

/** Shows each check as it comes to its end. */
export async function showChecks(checks: AsyncIterable<Checked>, output: Output): Promise<Outcome> {
  const show = output.list('checks')
  let [passed, failed] = [0, 0]
  for await (const one of checks) {
    if (one.fault === undefined) passed++
    else failed++
    const { kind, name, check, fault } = one
    const words = visible(`${kind} ${name}: ${check}`)
    await show(
      { ...one, passed: fault === undefined },
      fault === undefined ? `ok    ${words}` : `FAIL  ${words}\n      ${visible(fault)}`,
    )
  }
  const tests = failed + passed === 1 ? 'check' : 'checks'
  return {
    json: { passed, failed },
    lines: failed === 0 ? [`All ${passed} ${tests} passed.`] : [],
    failure:
      failed === 0
        ? undefined
        : new Failure('plugin', `${failed} of ${passed + failed} ${tests} failed.`, {
            remedy: 'Report this to the author of the plugin, with what is said above.',
          }),
  }
}

export function createdOutcome({ directory, files, next }: CreatedPlugin): Outcome {
  return {
    json: { directory, files },
    lines: [
      visible(`Made ${directory}: ${files.join(', ')}.`),
      'Next:',
      ...next.map((line) => visible(`  ${line}`)),
    ],
  }
}

function providesOf({ manifest }: Candidate): PluginManifest['provides'] {
  const { provides }: Partial<PluginManifest> = Object(manifest)
  return Object(provides)
}

function provided(provides: PluginManifest['provides']): string {
  return Object.entries(provides)
    .map(([kind, names]) => `${kind} ${Array.isArray(names) ? names.join(', ') : '?'}`)
    .join('; ')
}
