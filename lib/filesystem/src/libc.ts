/**
 * The calls of the C library that Node has no function for. All take a directory descriptor and a name, so that no
 * link swapped in on the way leads elsewhere, and no path is too long.
 *
 * Names are byte strings (see `Entry` in the sdk); sizes and times that do not fit a double are split.
 */
import { constants } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')

const call = {
  openat: libc.func('int openat(int, const void *, int, uint32_t)'),
  statx: libc.func('int statx(int, const void *, int, unsigned int, void *)'),
  mkdirat: libc.func('int mkdirat(int, const void *, uint32_t)'),
  mknodat: libc.func('int mknodat(int, const void *, uint32_t, uint64_t)'),
  symlinkat: libc.func('int symlinkat(const void *, int, const void *)'),
  linkat: libc.func('int linkat(int, const void *, int, const void *, int)'),
  renameat: libc.func('int renameat(int, const void *, int, const void *)'),
  renameat2: libc.func('int renameat2(int, const void *, int, const void *, unsigned int)'),
  unlinkat: libc.func('int unlinkat(int, const void *, int)'),
  getdents64: libc.func('long getdents64(int, void *, size_t)'),
  readlinkat: libc.func('long readlinkat(int, const void *, void *, size_t)'),
  fchownat: libc.func('int fchownat(int, const void *, uint32_t, uint32_t, int)'),
  fchmod: libc.func('int fchmod(int, uint32_t)'),
  fchmodat: libc.func('int fchmodat(int, const void *, uint32_t, int)'),
  utimensat: libc.func('int utimensat(int, const void *, void *, int)'),
  futimens: libc.func('int futimens(int, void *)'),
  lseek: libc.func('int64_t lseek(int, int64_t, int)'),
  flistxattr: libc.func('long flistxattr(int, void *, size_t)'),
  fgetxattr: libc.func('long fgetxattr(int, const void *, void *, size_t)'),
  fsetxattr: libc.func('int fsetxattr(int, const void *, const void *, size_t, int)'),
  fremovexattr: libc.func('int fremovexattr(int, const void *)'),
  lremovexattr: libc.func('int lremovexattr(const void *, const void *)'),
  llistxattr: libc.func('long llistxattr(const void *, void *, size_t)'),
  lgetxattr: libc.func('long lgetxattr(const void *, const void *, void *, size_t)'),
  lsetxattr: libc.func('int lsetxattr(const void *, const void *, const void *, size_t, int)'),
} as const

export { call, constants }
