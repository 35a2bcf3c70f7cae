/** What part of a backup is wanted. */

/**
 * Part of a tree: what is at or below one of `paths`, matches one of `include` and none of `exclude`. Patterns are those
 * of `GNU tar --exclude`; one that matches a directory matches all that is in it. Directories on the way to what is
 * selected belong to it too, without what else is in them.
 */
export interface Selection {
  /** Byte strings, relative to the root of the tree, as in `Entry`. None, or '' among them: the whole tree. */
  readonly paths: readonly string[]
  /** None: everything. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

export const everything: Selection = { paths: [], include: [], exclude: [] }

export function selectsAll({ paths, include, exclude }: Selection): boolean {
  return include.length === 0 && exclude.length === 0 && (paths.length === 0 || paths.includes(''))
}
