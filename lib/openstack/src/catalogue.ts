/** Where the services of a cloud are. */
import { Failure } from '@freezer/sdk'

export interface CatalogueEndpoint {
  readonly interface: string
  readonly region: string | undefined
  readonly url: string
}

export interface CatalogueService {
  readonly type: string
  readonly endpoints: readonly CatalogueEndpoint[]
}

export interface Choice {
  /** Types that the service is known by, the one that is preferred first: `block-storage`, `volumev3`. */
  readonly types: readonly string[]
  readonly interface: string
  /** Undefined for the only one that there is. */
  readonly region: string | undefined
}

/**
 * The address of a service, without a slash at its end.
 * @throws Failure `not-found` when the catalogue has none like that; `configuration` when it has one in several regions, and
 *   none was chosen: what is kept in one is not found in another
 */
export function chooseEndpoint(catalogue: readonly CatalogueService[], choice: Choice): string {
  const [name = ''] = choice.types
  const service = choice.types
    .map((type) => catalogue.find((candidate) => candidate.type === type && candidate.endpoints.length > 0))
    .find((candidate) => candidate !== undefined)
  if (service === undefined) {
    const others = [...new Set(catalogue.map(({ type }) => type))].join(', ')
    throw new Failure('not-found', `The cloud has no service ${name} for this project.`, {
      remedy: `Check the project; what it has: ${others === '' ? 'nothing' : others}.`,
    })
  }
  const inRegion = service.endpoints.filter(
    ({ region }) => choice.region === undefined || region === choice.region,
  )
  if (inRegion.length === 0) {
    throw new Failure('not-found', `The cloud has no service ${name} in the region ${choice.region}.`, {
      remedy: `Choose with --os-region-name one that has it: ${regionsOf(service.endpoints)}.`,
    })
  }
  const fitting = inRegion.filter((endpoint) => endpoint.interface === choice.interface)
  const [first] = fitting
  if (first === undefined) {
    const others = [...new Set(inRegion.map((endpoint) => endpoint.interface))].join(', ')
    throw new Failure('not-found', `The service ${name} has no interface ${choice.interface} there.`, {
      remedy: `Choose with --os-interface one that it has: ${others}.`,
    })
  }
  if (fitting.some(({ url }) => url !== first.url)) {
    throw new Failure('configuration', `The cloud has a service ${name} in several regions.`, {
      remedy: `Choose with --os-region-name one of ${regionsOf(fitting)}.`,
    })
  }
  return first.url.replace(/\/+$/, '')
}

function regionsOf(endpoints: readonly CatalogueEndpoint[]): string {
  return [...new Set(endpoints.map(({ region }) => region ?? 'one without a name'))].sort().join(', ')
}
