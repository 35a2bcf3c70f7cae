import { declareReader, type Plugin } from '@freezer/sdk'

/** Reads what OpenStack Freezer, the program in Python, stored: see docs/legacy.md. */
export const freezerPython = declareReader({
  name: 'freezer-python',
  description: 'Containers of OpenStack Freezer, the program in Python, up to its version 16',
  program: 'OpenStack Freezer (Python)',
  options: {},
  recognises: async (storage, signal) => (await import('./layout.ts')).recognises(storage, signal),
  open: async (storage, secrets) => (await import('./container.ts')).openContainer(storage, secrets),
})

export default { readers: [freezerPython] } satisfies Plugin
