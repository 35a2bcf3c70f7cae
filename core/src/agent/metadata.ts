/** What the Python Freezer wrote of a backup, for programs that read it. */
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { ReportedBackup } from '@freezer/sdk'
import { fromSystem } from '@freezer/sdk'
import { jsonLine } from '../output/text.ts'
import { isTrue } from './flags.ts'

/** The members in their old order; what was not said is ''. */
export function metadataOf(
  backup: ReportedBackup,
  said: ReadonlyMap<string, string>,
  version: string,
): Record<string, string | number | boolean> {
  const text = (flag: string, otherwise: string | number = '') => {
    const value = said.get(flag)
    return value === undefined || /^(?:none|false)$/i.test(value) ? otherwise : value
  }
  const number = (flag: string, otherwise: string | number = '') => {
    const value = text(flag, otherwise)
    return value === '' || Number.isNaN(Number(value)) ? value : Number(value)
  }
  const path = text('path-to-backup')
  return {
    curr_backup_level: Number(backup.facts['level']),
    fs_real_path: path,
    vol_snap_path: path,
    client_os: process.platform,
    client_version: version,
    time_stamp: Math.floor(Date.parse(String(backup.facts['time'])) / 1000),
    action: 'backup',
    always_level: number('always-level'),
    backup_media: 'fs',
    backup_name: text('backup-name', backup.name),
    container: text('container'),
    container_segments: '',
    dry_run: isTrue(said.get('dry-run') ?? '') ? true : '',
    hostname: text('hostname', hostname()),
    path_to_backup: path,
    max_level: number('max-level'),
    mode: text('mode', 'fs'),
    log_file: text('log-file'),
    storage: text('storage', 'swift'),
    proxy: text('proxy'),
    compression: text('compression', 'zstd'),
    ssh_key: text('ssh-key'),
    ssh_username: text('ssh-username'),
    ssh_host: text('ssh-host'),
    ssh_port: number('ssh-port', 22),
    consistency_checksum: text('consistency-checksum'),
  }
}

/** @throws Failure when it cannot be written */
export function writeMetadata(file: string, metadata: Record<string, string | number | boolean>): void {
  const text = `${jsonLine(metadata)}\n`
  if (file === '-') {
    process.stdout.write(text)
    return
  }
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw fromSystem(error, `write the metadata file ${file}`)
  }
}
