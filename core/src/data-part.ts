import type { DataPart } from '@freezer/sdk'
import { Failure, parseBytes } from '@freezer/sdk'

/** How much of the data: `all`, `10%` or `5G`. @throws Failure `usage` */
export function parseDataPart(text: string): DataPart {
  if (text === 'all') return 'all'
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())
  if (percent === null) return { bytes: parseBytes(text) }
  const share = Number(percent[1]) / 100
  if (share > 0 && share <= 1) return { share }
  throw new Failure('usage', `"${text}" is not a share of the data; write one like 10%.`)
}
