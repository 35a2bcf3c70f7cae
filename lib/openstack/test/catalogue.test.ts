import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseEndpoint } from '../src/catalogue.ts'

const endpoint = (region: string, kind: string, url: string) => ({ region, interface: kind, url })
const catalogue = [
  { type: 'identity', endpoints: [endpoint('A', 'public', 'http://identity/')] },
  {
    type: 'object-store',
    endpoints: [
      endpoint('A', 'public', 'http://a/v1/AUTH_x/'),
      endpoint('A', 'internal', 'http://a-internal/v1/AUTH_x'),
      endpoint('B', 'public', 'http://b/v1/AUTH_x'),
    ],
  },
  { type: 'block-storage', endpoints: [] },
  { type: 'volumev3', endpoints: [endpoint('A', 'public', 'http://volume')] },
]
const choose = (types: readonly string[], kind: string, region?: string) =>
  chooseEndpoint(catalogue, { types, interface: kind, region })

test('an address is chosen by type, region and interface', () => {
  assert.equal(choose(['object-store'], 'public', 'A'), 'http://a/v1/AUTH_x')
  assert.equal(choose(['object-store'], 'public', 'B'), 'http://b/v1/AUTH_x')
  assert.equal(choose(['object-store'], 'internal'), 'http://a-internal/v1/AUTH_x')
  assert.equal(choose(['block-storage', 'volumev3'], 'public'), 'http://volume')
})

test('what is not there is said, with what there is', () => {
  const cases = [
    [
      ['image'],
      'public',
      undefined,
      'not-found',
      /no service image for this project/,
      /identity, object-store/,
    ],
    [['object-store'], 'public', 'C', 'not-found', /in the region C/, /A, B/],
    [['object-store'], 'internal', 'B', 'not-found', /no interface internal/, /public/],
    [['object-store'], 'public', undefined, 'configuration', /several regions/, /A, B/],
  ] as const
  for (const [types, kind, region, code, message, remedy] of cases) {
    assert.throws(() => choose(types, kind, region), { code, message, remedy })
  }
  assert.throws(
    () => chooseEndpoint([], { types: ['object-store'], interface: 'public', region: undefined }),
    {
      code: 'not-found',
    },
  )
})
