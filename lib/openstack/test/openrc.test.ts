import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseOpenrc } from '../src/openrc.ts'

const parse = (text: string) => Object.fromEntries(parseOpenrc(text, 'rc'))

test('what Horizon gives, but for the password that it asks for', () => {
  const text = `#!/usr/bin/env bash
# To use an OpenStack cloud you need to authenticate against the Identity service…
export OS_AUTH_URL=https://keystone.example.org:5000/v3
export OS_PROJECT_ID=0123456789abcdef
export OS_PROJECT_NAME="my project"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
unset OS_TENANT_ID
unset OS_TENANT_NAME
export OS_USERNAME="demo"
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
`
  const rest = `export OS_REGION_NAME="RegionOne"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
`
  assert.deepEqual(parse(text + rest), {
    OS_AUTH_URL: 'https://keystone.example.org:5000/v3',
    OS_PROJECT_ID: '0123456789abcdef',
    OS_PROJECT_NAME: 'my project',
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_USERNAME: 'demo',
    OS_REGION_NAME: 'RegionOne',
    OS_INTERFACE: 'public',
    OS_IDENTITY_API_VERSION: '3',
  })
  const asking = 'read -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT\n'
  assert.throws(() => parse(text + asking + rest), {
    code: 'configuration',
    message: /^rc line 15: only a shell could tell the value of OS_PASSWORD\.$/,
    remedy: /--os-password-file/,
  })
  // The password is known from elsewhere.
  const known = Object.fromEntries(parseOpenrc(text + asking + rest, 'rc', new Set(['OS_PASSWORD'])))
  assert.deepEqual(known, parse(text + rest))
})

test('quotes, escapes, comments, several on a line, values of others', () => {
  const cases: [string, Record<string, string>][] = [
    [`export OS_A='a b'"c d"e\\ f OS_B=2; OS_C=3 # OS_D=4`, { OS_A: 'a bc de f', OS_B: '2', OS_C: '3' }],
    ["export OS_A='$X `x` \\\\'", { OS_A: '$X `x` \\\\' }],
    ['OS_A=1\nOS_B="${OS_A}$OS_A-x"', { OS_A: '1', OS_B: '11-x' }],
    ['X=1\nexport OS_B=$X', { OS_B: '1' }],
    ['OS_A="\\$x \\" \\\\ \\y $"', { OS_A: '$x " \\ \\y $' }],
    ['export \\\n  OS_A=1 \\\n  OS_B=2', { OS_A: '1', OS_B: '2' }],
    ['OS_A=1\nunset OS_A OS_B', {}],
    ['OS_A=', {}],
    ['export OS_A=a#b OS_C=', { OS_A: 'a#b' }],
    ['echo OS_A=1; true && OS_B=2', { OS_B: '2' }],
    ['NOT_OS=1\nexport HTTP_PROXY=x ST_AUTH=y', { ST_AUTH: 'y' }],
    ['OS_A=1\r\n', { OS_A: '1' }],
    ['\ufeffexport OS_A=1', { OS_A: '1' }],
    ['declare -x OS_A=1\ntypeset -x OS_B="2" OS_C=3', { OS_A: '1', OS_B: '2', OS_C: '3' }],
    ['', {}],
  ]
  for (const [text, expected] of cases) assert.deepEqual(parse(text), expected, text)
})

test('what only a shell could tell is refused, with its line, and without its words', () => {
  for (const [text, line] of [
    ['OS_A=$(cat file)', 1],
    ['\n\nOS_A=`cat file`', 3],
    ['OS_A="$(cat file)"', 1],
    ['OS_A=$HOME/x', 1],
    ['OS_A=${X:-x}', 1],
    ['OS_B=1\nOS_A=$1', 2],
    ['if true\nthen\n  OS_A=1\nfi', 3],
    ['if true; then export OS_A=1; fi', 1],
    ["X='a\nb'\nOS_A=$Y", 3],
    ["OS_A=$'a\\tb'", 1],
    ['OS_A=$"a"', 1],
    ['OS_A=1\nOS_A+=2', 2],
    ["OS_B=1\nOS_A=it's\nOS_C=1\n", 2],
    ['OS_A="it\nOS_C=1\n', 1],
  ] as const) {
    assert.throws(() => parse(text), {
      code: 'configuration',
      message: `rc line ${line}: only a shell could tell the value of OS_A.`,
    })
  }
})

test('any value that a shell was told in quotes is had as the shell has it', () => {
  const value = fc.string({ minLength: 1, maxLength: 30 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(value, fc.boolean(), (text, single) => {
      const quoted = single
        ? `'${text.replaceAll("'", `'\\''`)}'`
        : `"${text.replace(/["\\$`]/g, (char) => `\\${char}`)}"`
      const script = `export OS_A=${quoted}\n`
      const shell = spawnSync('/bin/sh', ['-c', `${script}printf '%s' "$OS_A"`], { encoding: 'utf8' })
      assert.equal(parse(script)['OS_A'], shell.stdout)
    }),
    { numRuns: 60 },
  )
})
