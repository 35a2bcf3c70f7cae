/** The trees that the engine contract backs up. */
import fs from 'node:fs'
import path from 'node:path'
import { bytePath } from '../src/contracts/entry.ts'
import { noise } from './contract.ts'
import { link, makeDirectory, rawPath, remove, setTime, write } from './small-tree.ts'

/** Everything that any engine of trees must keep. */
export function makeVariedTree(tree: string): void {
  write(tree, 'empty', '')
  makeDirectory(tree, 'empty-directory')
  for (let at = 0; at < 300; at++) write(tree, `many/d${at % 12}/f${at}`, noise(at * 7, at + 1))
  write(tree, 'large', noise(3_500_000))
  const odd = [
    '\xff\xfe not UTF-8 \x80',
    'new\nline',
    ' ',
    '-rf',
    '*',
    '\\',
    '"\'',
    'ä'.repeat(120),
    '...',
    '\x01\x7f',
  ]
  for (const name of odd) {
    write(tree, name, name)
    write(tree, `odd ${name.slice(0, 200)}/${name}`, name)
  }
  write(tree, bytePath('naïve/文字'), 'text')
  // Order by bytes is not order by name where a name goes on with something below the slash.
  for (const name of ['o/x', 'o!/x', 'o.d/x', 'o0/x', 'o']) {
    if (name.includes('/')) write(tree, `order/${name}`, name)
  }
  write(tree, `${Array.from({ length: 24 }, (_, at) => `${at}`.padEnd(100, 'd')).join('/')}/deep`, 'deep')
  link(tree, 'link', 'large')
  link(tree, 'dangling', `nowhere/${'x'.repeat(300)}\xff`)
  link(tree, 'absolute', '/')
  link(tree, 'to-directory', 'many')
  for (const [at, mode] of [0o600, 0o755, 0o444, 0o4755, 0o2755].entries()) {
    write(tree, `modes/${at}`, 'mode')
    fs.chmodSync(path.join(tree, `modes/${at}`), mode)
  }
  fs.chmodSync(path.join(tree, 'empty-directory'), 0o1777)
  for (const [at, time] of [1.5005, -1000.4995, 4_102_444_800.0005, 2 ** 33 + 0.0005].entries()) {
    write(tree, `times/${at}`, 'time')
    setTime(rawPath(tree, `times/${at}`), time)
  }
  setTime(rawPath(tree, 'many'), 1_000_000_000.0005)
}

export function makeSmallTree(tree: string): void {
  for (let at = 0; at < 40; at++) write(tree, `documents/d${at % 4}/f${at}`, noise(500 + at, at + 1))
  write(tree, 'documents/letter', noise(1000, 99))
  write(tree, 'large', noise(300_000))
  write(tree, 'same-size', 'before')
  write(tree, 'same-time', 'before')
  write(tree, 'becomes-directory', 'a file')
  write(tree, 'becomes-file/inside', 'inside')
  write(tree, 'becomes-link/inside', 'inside')
  write(tree, 'moves/inside/file', noise(5000, 5))
  write(tree, 'dies', 'dies')
  makeDirectory(tree, 'empty')
  link(tree, 'link', 'large')
}

/** What happens to the small tree from level to level. */
export const changes: readonly ((tree: string) => void)[] = [
  (tree) => {
    write(tree, 'added', 'added')
    write(tree, 'documents/new/added', 'added')
    write(tree, 'same-size', 'after.')
    const file = path.join(tree, 'same-time')
    const { atimeMs, mtimeMs } = fs.lstatSync(file)
    fs.writeFileSync(file, 'after.')
    fs.utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
    fs.chmodSync(path.join(tree, 'large'), 0o600)
  },
  (tree) => {
    for (const name of ['dies', 'documents/d1', 'link']) remove(tree, name)
    link(tree, 'link', 'same-size')
    fs.renameSync(path.join(tree, 'moves'), path.join(tree, 'moved'))
    fs.renameSync(path.join(tree, 'documents/d2'), path.join(tree, 'documents/d1'))
    fs.renameSync(path.join(tree, 'documents/letter'), path.join(tree, 'documents/renamed'))
  },
  (tree) => {
    for (const name of ['becomes-directory', 'becomes-file', 'becomes-link', 'empty']) remove(tree, name)
    write(tree, 'becomes-directory/inside', 'inside')
    write(tree, 'becomes-file', 'a file')
    link(tree, 'becomes-link', 'becomes-directory')
    fs.appendFileSync(path.join(tree, 'large'), noise(100, 4))
  },
  () => {},
]
