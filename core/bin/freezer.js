#!/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=33554432 MALLOC_MMAP_THRESHOLD_=4194304 node --max-semi-space-size=1
// Memory of blocks comes from one malloc arena that keeps what is freed, and the young heaps of all threads are small: a
// quarter less time and 15 MiB less memory than with the defaults.
//
import { fileURLToPath } from 'node:url'
import { start } from './start.js'

await start(fileURLToPath(import.meta.url), '../dist/bundle/main.js')
