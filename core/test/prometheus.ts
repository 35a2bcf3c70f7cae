/**
 * A strict reader of the text format 0.0.4, written from its specification and from nothing else
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based format"). Beyond that it wants what the
 * textfile collector wants: a HELP and a TYPE for each metric, and no times.
 */

export interface Metric {
  readonly help: string
  readonly type: string
  readonly samples: { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}

const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped']

/** Metrics by name. @throws Error that names the line */
export function readExposition(bytes: Uint8Array): Map<string, Metric> {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line does not end with a line feed')
  const helps = new Map<string, string>()
  const kinds = new Map<string, string>()
  const metrics = new Map<string, Metric>()
  const seen = new Set<string>()
  let group: string | undefined
  const begun = new Set<string>()

  for (const [index, line] of text.split('\n').entries()) {
    const fail = (why: string) => new Error(`line ${index + 1}: ${why}: ${line}`)
    if (/^[ \t]*$/.test(line)) continue
    const enter = (name: string) => {
      if (name === group) return
      if (begun.has(name)) throw fail('the lines of a metric are not one group')
      begun.add(name)
      group = name
    }
    const reader = new LineReader(line, fail)
    reader.blanks()
    if (reader.take('#')) {
      reader.blanks()
      const word = reader.token()
      if (word !== 'HELP' && word !== 'TYPE') continue
      reader.blanks()
      const name = reader.name(/[a-zA-Z_:][a-zA-Z0-9_:]*/y)
      enter(name)
      if (word === 'HELP') {
        if (helps.has(name)) throw fail('a second HELP')
        reader.blanks()
        helps.set(name, unescape(reader.rest(), { '\\': '\\', n: '\n' }, fail))
        continue
      }
      reader.blanks()
      const type = reader.token()
      reader.blanks()
      reader.end()
      if (!types.includes(type)) throw fail('no such type')
      if (kinds.has(name)) throw fail('a second TYPE')
      if (metrics.has(name)) throw fail('a TYPE after a sample')
      kinds.set(name, type)
      continue
    }
    const name = reader.name(/[a-zA-Z_:][a-zA-Z0-9_:]*/y)
    enter(name)
    const labels = reader.labels()
    reader.blanks()
    const value = number(reader.token(), fail)
    reader.blanks()
    reader.end()
    const [help, type] = [helps.get(name), kinds.get(name)]
    if (help === undefined || type === undefined) throw fail('a metric without HELP or TYPE')
    const identity = JSON.stringify([name, Object.entries(labels).sort()])
    if (seen.has(identity)) throw fail('the same metric and labels twice')
    seen.add(identity)
    const metric = metrics.get(name) ?? { help, type, samples: [] }
    metric.samples.push({ labels, value })
    metrics.set(name, metric)
  }
  for (const name of kinds.keys()) if (!metrics.has(name)) throw new Error(`${name} has no sample`)
  return metrics
}

type Fail = (why: string) => Error

class LineReader {
  readonly #line: string
  readonly #fail: Fail
  #at = 0

  constructor(line: string, fail: Fail) {
    this.#line = line
    this.#fail = fail
  }

  take(text: string): boolean {
    if (!this.#line.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  blanks(): void {
    while (this.take(' ') || this.take('\t'));
  }

  token(): string {
    return this.name(/[^ \t]+/y)
  }

  name(form: RegExp): string {
    form.lastIndex = this.#at
    const found = form.exec(this.#line)?.[0]
    if (found === undefined) throw this.#fail(`no ${form.source} at column ${this.#at + 1}`)
    this.#at += found.length
    return found
  }

  rest(): string {
    return this.#line.slice(this.#at)
  }

  end(): void {
    if (this.rest() !== '') throw this.#fail('more than there should be')
  }

  labels(): Record<string, string> {
    const found: Record<string, string> = {}
    if (!this.take('{')) return found
    for (;;) {
      this.blanks()
      if (this.take('}')) return found
      const name = this.name(/[a-zA-Z_][a-zA-Z0-9_]*/y)
      if (name.startsWith('__')) throw this.#fail('a label that is reserved')
      if (Object.hasOwn(found, name)) throw this.#fail('a label twice')
      this.blanks()
      if (!this.take('=')) throw this.#fail('a label without "="')
      this.blanks()
      if (!this.take('"')) throw this.#fail('a value without quotes')
      found[name] = unescape(this.name(/(?:[^"\\]|\\.)*/y), { '\\': '\\', '"': '"', n: '\n' }, this.#fail)
      if (!this.take('"')) throw this.#fail('a value that does not end')
      this.blanks()
      if (this.take(',')) continue
      if (!this.take('}')) throw this.#fail('labels that do not end')
      return found
    }
  }
}

function unescape(text: string, known: Record<string, string>, fail: Fail): string {
  let plain = ''
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '\\') plain += text[at]
    else {
      const meant = known[text[++at] ?? '']
      if (meant === undefined) throw fail('an escape that is not known')
      plain += meant
    }
  }
  return plain
}

/** As Go's ParseFloat reads it, without its rarer forms. */
function number(text: string, fail: Fail): number {
  const special: Record<string, number> = { NaN: Number.NaN, '+Inf': Infinity, '-Inf': -Infinity }
  if (Object.hasOwn(special, text)) return special[text] as number
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw fail('no number')
  return Number(text)
}
