/** What installing and updating plugins are given. */
import type { OptionDeclarations } from '@freezer/sdk'

export const packagesOptions = {
  package: { type: 'list', value: 'PACKAGE', help: 'The same as PACKAGE' },
  scripts: {
    type: 'boolean',
    help: 'Let the package, and what it needs, run their install scripts\nnpm must allow them too.',
  },
} as const satisfies OptionDeclarations
