import { contractTests } from './contract.ts'

contractTests('zstd')
contractTests('gzip')
