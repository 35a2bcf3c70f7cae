import { contractTests } from './contract.ts'

contractTests('xz')
