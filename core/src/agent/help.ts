/** The help of freezer-agent, from its table of flags. */
import { type Flag, flags } from './flags.ts'

const examples = [
  'freezer-agent --action backup --storage local -C /backups -F /data -N name',
  'freezer-agent --action restore --storage local -C /backups -N name --restore-abs-path /tmp/data',
  'freezer-agent --action admin --storage local -C /backups -N name --remove-older-than 30',
  'freezer-agent --config /etc/freezer/job.ini --metadata-out -',
]

export function helpText(): string {
  const rows = Object.entries(flags)
  const group = (title: string, wanted: (flag: Flag) => boolean) => [
    '',
    title,
    ...rows.filter(([, flag]) => wanted(flag)).map(([name, flag]) => `  ${row(name, flag)}`),
  ]
  return `${[
    'The command line of the Python Freezer, carried out by freezer. docs/migrating.md tells what differs.',
    '',
    'USAGE',
    '  $ freezer-agent [--action backup|restore|info|admin|exec] [FLAGS]',
    ...group('FLAGS', ({ meaning }) => 'to' in meaning || 'own' in meaning),
    ...group('ACCEPTED, AND WITHOUT EFFECT', ({ meaning }) => 'ignored' in meaning),
    ...group('REFUSED', ({ meaning }) => 'refused' in meaning),
    '',
    'Every option of "freezer backup", "restore", "info", "list" and "prune" is taken too.',
    '',
    'EXAMPLES',
    ...examples.map((example) => `  $ ${example}`),
  ].join('\n')}\n`
}

function row(name: string, { short, takes, aliases = [], meaning }: Flag): string {
  const value = { value: '=VALUE', nothing: '', maybe: '[=true|false]' }[takes]
  const names = [
    ...(short === undefined ? [] : [`-${short}`]),
    `--${name}${value}`,
    ...aliases.map((one) => `--${one}`),
  ]
  const why =
    'ignored' in meaning ? `: ${meaning.ignored}` : 'refused' in meaning ? `: ${meaning.refused}` : ''
  return `${names.join(', ')}${why}`
}
