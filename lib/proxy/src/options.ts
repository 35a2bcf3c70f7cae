/** How a service is reached by a proxy, as options. Declaring them loads nothing. */
import { declareOptions, type Options } from '@freezer/sdk'

export const proxyOptions = declareOptions({
  proxy: {
    type: 'string',
    value: 'URL',
    help: 'HTTP proxy to reach the service by: http://proxy:3128, or none\nWithout it HTTPS_PROXY and HTTP_PROXY. NO_PROXY names the machines that are reached without.',
  },
  proxyCredentials: { type: 'string', secret: true, help: 'USER:PASSWORD for the proxy' },
})

export type ProxyOptions = Options<typeof proxyOptions>
