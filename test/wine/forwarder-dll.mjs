// usage: node forwarder-dll.mjs OUT NAME.dll Export=dll.Function …: a DLL without code, whose exports lead to other DLLs.
import { writeFileSync } from 'node:fs';

const [out, dll = '', ...pairs] = process.argv.slice(2);
const exported = pairs.map((pair) => pair.split('=')).sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
const count = exported.length;

/** Where its one section lies in memory. */
const RVA = 0x1000;
const section = Buffer.alloc(0x400);
// The directory of exports has 40 bytes; after it come addresses, names, ordinals, and the texts.
const [addresses, names, ordinals] = [40, 40 + count * 4, 40 + count * 8];
let end = ordinals + count * 2;
const textAt = (text) => {
  const at = end;
  end += section.write(`${text}\0`, at, 'latin1');
  return RVA + at;
};
section.writeUInt32LE(textAt(dll), 12);
for (const [at, value] of [
  [16, 1],
  [20, count],
  [24, count],
  [28, RVA + addresses],
  [32, RVA + names],
  [36, RVA + ordinals],
])
  section.writeUInt32LE(value, at);
for (const [at, [name, target]] of exported.entries()) {
  section.writeUInt32LE(textAt(name), names + at * 4);
  section.writeUInt32LE(textAt(target), addresses + at * 4);
  section.writeUInt16LE(at, ordinals + at * 2);
}

const head = Buffer.alloc(0x200);
head.write('MZ');
head.writeUInt32LE(0x80, 0x3c);
head.write('PE\0\0', 0x80, 'latin1');
const [file, optional] = [0x84, 0x98];
// x64, one section, 240 bytes of optional header; a DLL, for addresses beyond 2 GB.
for (const [at, value] of [
  [0, 0x8664],
  [2, 1],
  [16, 240],
  [18, 0x2022],
])
  head.writeUInt16LE(value, file + at);
for (const [at, value] of [
  [0, 0x20b],
  [40, 6],
  [48, 6],
  [68, 3],
  [70, 0x160],
])
  head.writeUInt16LE(value, optional + at);
for (const [at, value] of [
  [8, 0x400],
  [32, 0x1000],
  [36, 0x200],
  [56, 0x2000],
  [60, 0x200],
  [108, 16],
  [112, RVA],
  [116, end],
])
  head.writeUInt32LE(value, optional + at);
for (const [at, value] of [
  [24, 0x180000000],
  [72, 0x100000],
  [80, 0x1000],
  [88, 0x100000],
  [96, 0x1000],
])
  head.writeBigUInt64LE(BigInt(value), optional + at);
const row = optional + 240;
head.write('.rdata\0\0', row, 'latin1');
for (const [at, value] of [
  [8, 0x400],
  [12, RVA],
  [16, 0x400],
  [20, 0x200],
  [36, 0x40000040],
])
  head.writeUInt32LE(value, row + at);
writeFileSync(out, Buffer.concat([head, section]));
