import { contractTests } from './contract.ts'

contractTests('bzip2')
