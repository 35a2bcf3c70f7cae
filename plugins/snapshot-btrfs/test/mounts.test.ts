import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWithin, mountOf, parseMounts } from '../src/mounts.ts'

const mounts = parseMounts(
  [
    '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '2 1 0:39 /root /srv rw,noatime - btrfs /dev/sdb rw,subvol=/root',
    '3 2 0:39 /home /srv/a\\040b\\134c ro,relatime master:3 propagate_from:1 - btrfs /dev/sdb rw,subvol=/home',
    '4 2 0:40 / /srv/frozen rw - btrfs /dev/sdc ro',
    '5 1 0:41 / /srv rw - tmpfs none rw',
    '',
  ].join('\n'),
)

test('mounts are read with what their names escape, and whether they can be written to', () => {
  assert.equal(mounts.length, 5)
  assert.deepEqual(mounts[2], { point: '/srv/a b\\c', device: '0:39', type: 'btrfs', writable: false })
  assert.deepEqual(
    mounts.map(({ writable }) => writable),
    [true, true, false, false, true],
  )
})

test('a path is on the nearest mount, and of two at one place on the later', () => {
  for (const [path, point, type] of [
    ['/srv', '/srv', 'tmpfs'],
    ['/srv/x/y', '/srv', 'tmpfs'],
    ['/srv/a b\\c/d', '/srv/a b\\c', 'btrfs'],
    ['/srv/frozenly', '/srv', 'tmpfs'],
    ['/srvx', '/', 'ext4'],
    ['/', '/', 'ext4'],
  ] as const) {
    const mount = mountOf(path, mounts)
    assert.deepEqual([mount?.point, mount?.type], [point, type], path)
  }
  assert.equal(isWithin('/a/b', '/a'), true)
  assert.equal(isWithin('/ab', '/a'), false)
})
