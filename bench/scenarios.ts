import type { Tree } from './corpus.ts'

/** What every contestant does in its turn. Before `changed` the source changes, once for all. */
export type Phase = 'first' | 'unchanged' | 'changed' | 'restore'

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly tree: Tree
  /** Of the tree, unless told otherwise. */
  readonly scale: number
  /** In the order of a round; a phase that stands there twice is measured twice. */
  readonly phases: readonly Phase[]
  readonly contestants: readonly string[]
  /** Those that take part in the first round only, because they take most of the time. */
  readonly once: readonly string[]
}

const EACH: readonly Phase[] = ['first', 'unchanged', 'changed', 'restore']
const ALL = ['freezer', 'tar-zstd', 'tar-gzip', 'restic', 'borg', 'duplicity', 'python-freezer']
const SLOW = ['tar-gzip', 'duplicity', 'python-freezer']

export const scenarios: readonly Scenario[] = [
  {
    name: 'small',
    title: 'many small files; 2 % of them changed',
    tree: 'small',
    scale: 1,
    phases: EACH,
    contestants: [...ALL, 'freezer-gzip'],
    once: [],
  },
  {
    name: 'mixed',
    title: 'what an office keeps, 40 % incompressible, with copies; 2 % of the files changed',
    tree: 'mixed',
    scale: 0.5,
    phases: EACH,
    contestants: ALL,
    once: SLOW,
  },
  {
    name: 'large',
    title: 'one file like a database and its log; 1 % of the pages changed',
    tree: 'large',
    scale: 0.5,
    phases: EACH,
    contestants: [...ALL, 'rsync'],
    once: SLOW,
  },
  {
    name: 'few',
    title: 'five files: what a run costs that has nothing to do',
    tree: 'few',
    scale: 1,
    phases: ['first', 'unchanged', 'unchanged', 'unchanged', 'restore'],
    contestants: ALL,
    once: [],
  },
  {
    name: 'many',
    title: 'a million small files: peak memory',
    tree: 'many',
    scale: 1,
    phases: ['first', 'unchanged', 'restore'],
    contestants: ['freezer'],
    once: [],
  },
  {
    name: 'sparse',
    title: 'one sparse file of 20 GiB: peak memory',
    tree: 'sparse',
    scale: 1,
    phases: ['first', 'unchanged', 'restore'],
    contestants: ['freezer'],
    once: [],
  },
]

/** Names that stand for several scenarios on the command line. */
export const groups: Readonly<Record<string, readonly string[]>> = {
  speed: ['small', 'mixed', 'large', 'few'],
  memory: ['many', 'sparse'],
  all: scenarios.map(({ name }) => name),
}
