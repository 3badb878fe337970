/*
 * Bytes that were good once, and what an unlucky disk, another version or an enemy makes of them. The same seed makes
 * the same ones.
 */

/** A small generator (mulberry32); each call returns a whole number below `below`. */
export const dice = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

/** What parsers trip over: signs, ends of numbers, names of Object's own, controls, half characters, brackets. */
const BITS: readonly string[] = [
  '-1', '0', '1', '1e309', '4294967296', '9007199254740993', '1.5', 'NaN', 'null', 'true', '{}', '[]', '""',
  '"__proto__"', '"constructor"', '"toString"', '\u0000', '\u001b[2J', '\n', '\r\n', '\t', ' ', '\ud800', '\u202e',
  '\ufeff', '(', ')', ') Z 1 ', ':', '=', '..', '/', '\\', '{', '}', '[', ']', '"', ',', '$(id)', '`id`', '; id',
]; // biome-ignore format: one row of words

/** One to four changes, each of any kind. */
export function mutated(seeds: readonly string[], roll: (below: number) => number): string {
  let text = seeds[roll(seeds.length)] ?? '';
  for (let left = 1 + roll(4); left > 0; left -= 1) text = changed(text, seeds, roll);
  return text;
}

function changed(text: string, seeds: readonly string[], roll: (below: number) => number): string {
  const at = roll(text.length + 1);
  const to = Math.min(text.length, at + roll(12));
  const bit = BITS[roll(BITS.length)] ?? '';
  switch (roll(9)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + bit + text.slice(at);
    case 2:
      return text.slice(0, at) + bit + text.slice(to);
    case 3:
      return text.slice(0, at) + text.slice(to);
    case 4:
      return text.slice(0, to) + text.slice(at);
    case 5:
      return text.slice(0, at) + String.fromCharCode(roll(0x1_0000)) + text.slice(at + 1);
    case 6: {
      const other = seeds[roll(seeds.length)] ?? '';
      return text.slice(0, at) + other.slice(roll(other.length + 1));
    }
    case 7: {
      // A value of JSON becomes another.
      const values = [...text.matchAll(/:\s*("[^"]*"|-?[\d.]+|true|false|null)/g)];
      const value = values[roll(Math.max(1, values.length))];
      return value ? `${text.slice(0, value.index)}: ${bit}${text.slice(value.index + value[0].length)}` : bit + text;
    }
    default:
      return text.slice(0, at) + (roll(50) === 0 ? bit.repeat(20_000) : bit.repeat(3)) + text.slice(at);
  }
}

/** What has nothing in it is what code takes for an object, so it comes most often. */
const VALUES: readonly unknown[] = [
  null,
  null,
  null,
  [null],
  [null],
  true,
  0,
  -1,
  5,
  '',
  'running',
  [],
  {},
  { a: null },
];

/** Well-formed, and one thing in it is another: a value, a whole list, or all of it. */
export function altered(json: unknown, roll: (below: number) => number): unknown {
  const inner = typeof json === 'object' && json !== null ? Object.keys(json) : [];
  if (inner.length === 0 || roll(3) === 0) return VALUES[roll(VALUES.length)];
  const name = inner[roll(inner.length)] ?? '';
  if (Array.isArray(json)) return json.map((one, at) => (String(at) === name ? altered(one, roll) : one));
  return { ...(json as object), [name]: altered((json as Record<string, unknown>)[name], roll) };
}
