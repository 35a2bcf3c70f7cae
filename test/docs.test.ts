// The pages that are made of the declarations of the options.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { checkout, freezer } from './support/program.ts'

const read = (name: string) => fs.readFileSync(path.join(checkout, name), 'utf8')

test('docs/commands.md and the manual are what the options say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.ts', '--check'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
})

test('they name every option that help names', async () => {
  const markdown = read('docs/commands.md')
  const page = read('core/man/freezer.1').replaceAll('\\-', '-')
  for (const command of ['backup', 'restore', 'copy', 'prune', 'key add']) {
    const { stdout } = await freezer(...command.split(' '), '--help')
    const named = [...stdout.matchAll(/^ +(?:-\w, )?(--[\w[\]-]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => !name.endsWith('-'))
    assert.ok(named.length > 10)
    for (const name of named) {
      assert.ok(
        markdown.includes(`${name}=`) || markdown.includes(`${name}\``) || markdown.includes(`${name}[=`),
        name,
      )
      assert.ok(page.includes(name), name)
    }
  }
  assert.match(markdown, /`ftp_password=TEXT` \| .*A secret: in an ini file, or as FREEZER_FTP_PASSWORD\./)
  assert.match(markdown, /^### storage swift$/m)
})

test('no line of the manual is taken for a request that it is not', () => {
  for (const name of ['freezer.1', 'freezer-agent.1']) {
    for (const line of read(`core/man/${name}`).split('\n')) {
      assert.match(line, /^(?:\.(?:\\"|TH|SH|SS|TP|PP|nf|fi|RS|RE|br)(?: .*)?|[^.'].*)?$/, line)
    }
  }
})
