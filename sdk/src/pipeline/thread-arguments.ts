/**
 * What a thread is started with besides its own: nothing, for Node hands its arguments on. Only the one that says what kind of
 * program was typed in (`node --input-type=module`) must not come along, and then none does.
 */
export function threadArguments(): { readonly execArgv?: string[] } {
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {}
}
