#!/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=33554432 MALLOC_MMAP_THRESHOLD_=4194304 node --max-semi-space-size=1
// The settings of memory are those of freezer.js, and why.
import { fileURLToPath } from 'node:url'
import { start } from './start.js'

await start(fileURLToPath(import.meta.url), '../dist/bundle/agent/main.js')
