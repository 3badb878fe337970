// usage: node patch-import.mjs FROM TO NAME OTHER: a copy of a program that imports OTHER, which is not longer, in place of NAME.
import { readFileSync, writeFileSync } from 'node:fs';

const [from, to, name = '', other = ''] = process.argv.slice(2);
const bytes = readFileSync(from);
const imported = Buffer.from(`${name}\0`, 'latin1');
let places = 0;
for (let at = bytes.indexOf(imported); at >= 0; at = bytes.indexOf(imported, at + 1)) {
  bytes.fill(0, at, at + name.length).write(other, at, 'latin1');
  places += 1;
}
if (places === 0) throw new Error(`${from} does not import ${name}`);
writeFileSync(to, bytes);
