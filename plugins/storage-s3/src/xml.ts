/** As much of XML as answers of S3 need: elements that hold text or elements, and have no attributes that matter. */

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** What is in each element `name` of `xml`, in order. Elements of one name do not hold each other here. */
export function contentsOf(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}\\s*>|<${name}\\s*/>`, 'g')
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? '')
}

/** The text of the first element `name`; undefined when there is none. */
export function textOf(xml: string, name: string): string | undefined {
  const [content] = contentsOf(xml, name)
  return content?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, entity) => {
    if (hex !== undefined) return character(Number.parseInt(hex, 16))
    if (decimal !== undefined) return character(Number(decimal))
    return entities[entity] ?? whole
  })
}

function character(code: number): string {
  return code <= 0x10_ffff ? String.fromCodePoint(code) : '\uFFFD'
}
