import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Edited } from '../../src/install/edits.js';
import type { HookCall } from '../../src/install/handlers.js';
import { parseDocument } from '../../src/install/json-edit.js';
import { putIn } from '../../src/install/put-in.js';
import { HAD_NOTHING, hadIn, takeOut } from '../../src/install/take-out.js';

const CALL: HookCall = {
  hook: '/data/opencode-reap/hook.cjs',
  port: undefined,
  stateDir: undefined,
  form: 'shell',
  otherNode: '/usr/bin/node',
  isThere: () => true,
};

const edited = (result: Edited | string): Edited => {
  if (typeof result === 'string') throw new Error(result);
  return result;
};

const TOLD = {
  'session-start': { words: ['--notice', '3'], output: '3>&1 >/dev/null 2>&1' },
  'session-end': { words: [], output: '>/dev/null 2>&1' },
} as const;

const group = (word: keyof typeof TOLD, ...more: string[]) => ({
  hooks: [
    {
      type: 'command',
      command: ['node', '/usr/bin/node']
        .map(
          (node) =>
            `${[node, CALL.hook, 'hook', word, ...more, ...TOLD[word].words].join(' ')} ${TOLD[word].output} || `,
        )
        .concat('true')
        .join(''),
      timeout: 5,
    },
  ],
});

const key = fc.string({ maxLength: 6 }).filter((name) => name !== '__proto__' && name !== 'hooks');
const handlers = fc.array(fc.record({ type: fc.constant('command'), command: fc.string() }), { maxLength: 2 });
const groups = fc.array(fc.record({ matcher: fc.string(), hooks: handlers }, { requiredKeys: [] }), { maxLength: 2 });
const hooks = fc.record({ Stop: groups, SessionStart: groups, SessionEnd: groups }, { requiredKeys: [] });
const others = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });

/** Anything that Claude Code may find, with its hooks before, between and after the rest. */
const settings = fc
  .tuple(others, fc.option(hooks, { nil: undefined }), others)
  .map(([before, between, after]) => ({ ...before, ...(between && { hooks: between }), ...after }));

const TOKEN = /"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The same in any layout that there can be. */
const scattered = fc
  .tuple(settings, fc.array(fc.constantFrom('', '', ' ', '\n', '\n  ', '\t', '\r\n', '\r\n    '), { minLength: 1 }))
  .map(([value, spaces]) =>
    (JSON.stringify(value).match(TOKEN) ?? []).map((token, at) => token + spaces[at % spaces.length]).join(''),
  );

/** The same as programs and people write it. */
const written = fc
  .tuple(settings, fc.constantFrom('', ' ', '  ', '    ', '\t'), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([value, indent, eol, ends]) =>
    (JSON.stringify(value, null, indent) + (ends ? '\n' : '')).replaceAll('\n', eol),
  );

const text = fc.oneof(written, scattered);

describe('a settings file', () => {
  test('is the same to the byte once our hooks were put in and taken out', () => {
    fc.assert(
      fc.property(text, (before) => {
        const after = edited(putIn(before, CALL)).text;
        const had = hadIn(before, CALL.hook) ?? HAD_NOTHING;
        expect(edited(takeOut(after, CALL.hook, had)).text).toBe(before);
        // Also when the port has changed in between.
        const changed = edited(putIn(after, { ...CALL, port: 4777 })).text;
        expect(edited(takeOut(changed, CALL.hook, had)).text).toBe(before);
      }),
      { numRuns: 1000 },
    );
  });

  test('holds our hooks last, and everything else as before', () => {
    fc.assert(
      fc.property(text, (before) => {
        const wanted = JSON.parse(before);
        const { SessionStart = [], SessionEnd = [] } = wanted.hooks ?? {};
        wanted.hooks = {
          ...wanted.hooks,
          SessionStart: [...SessionStart, group('session-start')],
          SessionEnd: [...SessionEnd, group('session-end')],
        };
        expect(JSON.parse(edited(putIn(before, CALL)).text)).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  test('is left alone by a second time', () => {
    fc.assert(
      fc.property(text, (before) => {
        const once = edited(putIn(before, CALL)).text;
        expect(edited(putIn(once, CALL))).toEqual({ text: once, steps: [] });
        expect(edited(takeOut(before, CALL.hook, HAD_NOTHING))).toEqual({ text: before, steps: [] });
      }),
    );
  });

  test('is brought from one form of the handler to the other, and taken out of either', () => {
    const windows: HookCall = { ...CALL, form: 'exec' };
    fc.assert(
      fc.property(text, (before) => {
        const [line, args] = [CALL, windows].map((call) => edited(putIn(before, call)).text);
        const had = hadIn(before, CALL.hook) ?? HAD_NOTHING;
        const [there, back] = [edited(putIn(line ?? '', windows)).text, edited(putIn(args ?? '', CALL)).text];
        expect([JSON.parse(there), JSON.parse(back)]).toEqual([JSON.parse(args ?? ''), JSON.parse(line ?? '')]);
        for (const one of [there, back, args ?? '']) expect(edited(takeOut(one, CALL.hook, had)).text).toBe(before);
      }),
    );
    const [{ hooks: handlers }] = JSON.parse(edited(putIn('{}', windows)).text).hooks.SessionEnd;
    expect(handlers).toEqual([
      { type: 'command', command: 'node', args: [CALL.hook, 'hook', 'session-end'], timeout: 5 },
    ]);
  });

  test('keeps its line ends and its indentation', () => {
    const { text: after } = edited(putIn('{\r\n\t"a": 1\r\n}\r\n', CALL));
    expect(after.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(after).toContain('\r\n\t"hooks": {\r\n\t\t"SessionStart": [\r\n\t\t\t{\r\n');
    const { text: dense } = edited(putIn('{"a":1}', CALL));
    expect(JSON.stringify(JSON.parse(dense))).toBe(dense);
  });

  test('is read exactly when it is strict JSON', () => {
    const broken = fc.tuple(
      text,
      fc.nat(),
      fc.constantFrom('', ',', '}', '"', '//', '/**/', '\\', '1', '\u0001', '\u00a0'),
    );
    fc.assert(
      fc.property(broken, ([whole, at, piece]) => {
        const cut = at % (whole.length + 1);
        const spoiled = whole.slice(0, cut) + piece + whole.slice(cut + 1);
        expect(parseDocument(spoiled) !== undefined).toBe(parses(spoiled));
      }),
      { numRuns: 2000 },
    );
  });
});

const parses = (spoiled: string): boolean => {
  try {
    JSON.parse(spoiled);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
};
