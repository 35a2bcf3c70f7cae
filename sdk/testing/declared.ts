/** What every provider says of itself. */
import { checkOptions, type OptionDeclarations } from '../src/contracts/options.ts'
import { expect } from './contract.ts'

export interface Declared {
  readonly name: string
  readonly description: string
  readonly options: OptionDeclarations
}

/** @throws Error unless it has a name, a description, and options that have help and defaults that fit */
export function expectDeclared({ name, description, options }: Declared): void {
  expect(/^[a-z0-9-]+$/.test(name), `"${name}" is no name: lower-case letters, digits and - make one`)
  expect(description !== '', 'it has no description')
  for (const [option, declaration] of Object.entries(options)) {
    expect(/^[a-z][A-Za-z0-9]*$/.test(option), `"${option}" is no name of an option: maxSize is one`)
    expect(declaration.help !== '', `the option ${option} has no help`)
    const secret = declaration.secret === true && declaration.default !== undefined
    expect(!secret, `the secret option ${option} has a default, which help shows`)
    if (declaration.default !== undefined) {
      checkOptions({ [option]: declaration }, { [option]: declaration.default })
    }
  }
}
