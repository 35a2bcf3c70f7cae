/**
 * What the declaration of options makes of their types. Nothing runs here: `npm run check` compiles it, and an
 * `@ts-expect-error` over a line that compiles is an error.
 */
import {
  checkOptions,
  declareCodec,
  declareEngine,
  declareMode,
  declareNotifier,
  declareOptions,
  declareSnapshotProvider,
  declareStorage,
  type GivenOptions,
  type OptionDeclarations,
  type Options,
  openStorage,
  type Plugin,
} from '@freezer/sdk'

/** `true` where two types are the same, in both directions and without `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles for `true` alone. */
declare function holds<_T extends true>(): void

const declared = declareOptions({
  text: { type: 'string', help: '' },
  named: { type: 'string', default: 'x', help: '' },
  needed: { type: 'path', required: true, help: '' },
  chosen: { type: 'string', choices: ['fast', 'small'], help: '' },
  usual: { type: 'string', choices: ['fast', 'small'], default: 'fast', help: '' },
  on: { type: 'boolean', help: '' },
  many: { type: 'list', help: '' },
  count: { type: 'integer', min: 0, help: '' },
  limit: { type: 'bytes', default: 1024, help: '' },
  wait: { type: 'duration', required: true, help: '' },
  share: { type: 'number', help: '' },
})

// What a driver gets: present where there is a default or a duty, else maybe undefined.
type Got = Options<typeof declared>
holds<Same<Got['text'], string | undefined>>()
holds<Same<Got['named'], string>>()
holds<Same<Got['needed'], string>>()
holds<Same<Got['chosen'], 'fast' | 'small' | undefined>>()
holds<Same<Got['usual'], 'fast' | 'small'>>()
holds<Same<Got['on'], boolean>>()
holds<Same<Got['many'], readonly string[]>>()
holds<Same<Got['count'], number | undefined>>()
holds<Same<Got['limit'], number>>()
holds<Same<Got['wait'], number>>()
holds<Same<Got['share'], number | undefined>>()
holds<Same<keyof Got, keyof typeof declared>>()

const checked = checkOptions(declared, {})
holds<Same<typeof checked, Got>>()
// @ts-expect-error nobody changes checked options
checked.named = 'y'
// @ts-expect-error there is no such option
void checked.nmaed

// What a script gives.
const least: GivenOptions<typeof declared> = { needed: '/x', wait: 60_000 }
const all: GivenOptions<typeof declared> = {
  ...least,
  text: undefined,
  chosen: 'small',
  many: ['a'],
  limit: '64M',
  wait: '26h',
}
// @ts-expect-error needed is missing
const lacking: GivenOptions<typeof declared> = { wait: 1 }
// @ts-expect-error none of the choices
const unchosen: GivenOptions<typeof declared> = { ...least, chosen: 'slow' }
// @ts-expect-error there is no such option
const unknown: GivenOptions<typeof declared> = { ...least, nmaed: 'x' }
// @ts-expect-error a number is no text
const wrong: GivenOptions<typeof declared> = { ...least, text: 7 }
// @ts-expect-error a text is no switch
const worded: GivenOptions<typeof declared> = { ...least, on: 'true' }
void [all, lacking, unchosen, unknown, wrong, worded]

// Wrong declarations.
declareOptions({
  // @ts-expect-error a default is of the type of its option
  a: { type: 'integer', default: '1', help: '' },
  // @ts-expect-error bounds are for numbers
  b: { type: 'string', min: 1, help: '' },
  // @ts-expect-error there is no such type
  c: { type: 'date', help: '' },
  // @ts-expect-error every option says what it is for
  d: { type: 'boolean' },
})

// Every kind of provider gets the options that it declared, and no others.
const options = { level: { type: 'integer', default: 3, help: '' }, dir: { type: 'path', help: '' } } as const
type Expected = { readonly level: number; readonly dir: string | undefined }
const common = { name: 'x', description: '', options }

const storage = declareStorage({
  ...common,
  async open(given) {
    holds<Same<typeof given, Options<typeof options>>>()
    const { level, dir }: Expected = given
    // @ts-expect-error it may be undefined
    void dir.length
    // @ts-expect-error not declared
    void given.other
    throw new Error(`${level}${dir}`)
  },
})
const codec = declareCodec({
  ...common,
  kind: 'compress',
  authenticated: false,
  module: '',
  expansion: () => 0,
  async open({ level }) {
    holds<Same<typeof level, number>>()
    throw new Error()
  },
})
const engine = declareEngine({
  ...common,
  module: '',
  async backup(run) {
    holds<Same<typeof run.options.level, number>>()
  },
  async restore(run) {
    holds<Same<typeof run.options.dir, string | undefined>>()
  },
  async list({ options: { level } }) {
    holds<Same<typeof level, number>>()
  },
})
const mode = declareMode({
  ...common,
  async open({ level }) {
    holds<Same<typeof level, number>>()
    throw new Error()
  },
  async target() {
    throw new Error()
  },
})
const notifier = declareNotifier({
  ...common,
  async notify(_report, { level }) {
    holds<Same<typeof level, number>>()
  },
})
const snapshot = declareSnapshotProvider({
  ...common,
  async covers(_path, { level }) {
    holds<Same<typeof level, number>>()
    return false
  },
  async create() {
    throw new Error()
  },
})

// Providers of any options fit into a plugin, and keep no secret of their types on the way.
const plugin = {
  modes: [mode],
  snapshots: [snapshot],
  engines: [engine],
  codecs: [codec],
  storages: [storage],
  notifiers: [notifier],
} satisfies Plugin
holds<Same<(typeof plugin.storages)[0]['options']['level']['default'], 3>>()
// @ts-expect-error a storage is no codec
const mixed: Plugin = { codecs: [storage] }
void mixed

// A script opens a storage with its options, the required ones at least.
const strict = declareStorage({
  ...common,
  options: { container: { type: 'path', required: true, help: '' } },
  async open() {
    throw new Error()
  },
})
void openStorage(storage, {})
void openStorage(storage, { level: 9 }, { create: true, retries: 0 }, { signal: AbortSignal.abort() })
void openStorage(strict, { container: '/x' })
// @ts-expect-error a container is required
void openStorage(strict, {})
// @ts-expect-error misspelled
void openStorage(strict, { contianer: '/x' })
// @ts-expect-error a signal alone is no context
void openStorage(strict, { container: '/x' }, {}, AbortSignal.abort())

// Declarations that are known only when the program runs: values can be anything that an option can be.
declare const some: OptionDeclarations
const any = checkOptions(some, {})
holds<Same<(typeof any)['x'], string | number | boolean | readonly string[] | undefined>>()
