// Writes numbers into files, one file after the other, as fast as it can, until it is killed: at every moment, what a file
// holds is that of the file before it, or one less. Usage: node writer.ts DIRECTORY FILES
import fs from 'node:fs'
import path from 'node:path'

const [directory = '', files = ''] = process.argv.slice(2)
const open = Array.from({ length: Number(files) }, (_, at) =>
  fs.openSync(path.join(directory, String(at).padStart(4, '0')), 'w'),
)
for (let number = 1; ; number++) {
  const text = String(number).padStart(10, '0')
  for (const fd of open) fs.writeSync(fd, text, 0)
  if (number === 1) process.stdout.write('writing\n')
}
