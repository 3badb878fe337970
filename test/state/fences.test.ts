import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Identity, parsePid } from '../../src/model/identity.js';
import type { Fence, ServerRecord } from '../../src/model/record.js';
import { type StateFolder, stateFolder } from '../../src/state/folders.js';
import { fenceFile, type HeldFence, liftFence, parseFence, raiseFence } from '../../src/state/ours/fences.js';
import { parseRecord } from '../../src/state/ours/record-file.js';
import { fail, meanwhile } from '../support/in-between.js';

/*
 * The right to stop a server, as files: who has it, who gets it when a run has died, and where the record is meanwhile.
 * Each step of a run that is killed is in steps.test.ts.
 */

const TRUSTED = { kind: 'trusted' } as const;
const MACHINE = { id: 'id', boot: 'boot', pidNamespace: 'pids', timeNamespace: undefined, name: 'box' };
const ID = 'srv-1';

const one = (pid: number, startToken: string | undefined = `began-${pid}`): Identity => ({
  pid: parsePid(pid) ?? expect.fail(`${pid} is no pid`),
  startToken,
});
const [RUN, OTHER_RUN, SERVER, MCP] = [one(70), one(71), one(42), one(43)];
const BY = { run: RUN, machine: MACHINE };
const BY_OTHER = { run: OTHER_RUN, machine: { ...MACHINE, boot: 'another boot' } };

let root: string;
let folder: StateFolder;
let file: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-fences-'));
  folder = stateFolder(root);
  mkdirSync(folder.servers, { mode: 0o700 });
  file = join(folder.servers, `${ID}.json`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (path: string, text: string): void => writeFileSync(path, text, { mode: 0o600 });
const read = (path: string): string => readFileSync(path, 'utf8');
const names = (of: string): string[] => (existsSync(of) ? readdirSync(of).sort() : []);
/** Where the record is, and which fences there are. */
const state = () => ({ servers: names(folder.servers), closing: names(folder.closing) });
const RECORDED = { servers: [`${ID}.json`], closing: [] };
const FENCED = { servers: [], closing: [`${ID}.json`] };
const NOTHING = { servers: [], closing: [] };

const textOf = (but: object = {}): string =>
  JSON.stringify({
    schema: 'opencode-reap/1',
    id: ID,
    startedByPlugin: true,
    state: 'ready',
    ...SERVER,
    machine: MACHINE,
    port: 4096,
    password: 'secret',
    ...but,
  });

const understood = <T>(said: T | string): T => (typeof said === 'string' ? expect.fail(said) : said);

/** A record of ours, in its file. */
function recorded(but: object = {}): ServerRecord {
  const text = textOf(but);
  write(file, text);
  return understood(parseRecord(file, text, TRUSTED));
}

/** One that a plugin wrote, in a file of its own. */
function ofPlugin(): ServerRecord {
  const path = join(root, 'state.json');
  write(path, 'the plugin’s own words');
  return { ...recordedBefore(), source: { format: 'zaralcy', file: path }, id: 'plugins' };
}
function recordedBefore(): ServerRecord {
  const record = recorded();
  rmSync(file);
  return record;
}

const held = (raised: HeldFence | 'taken' | 'changed'): HeldFence =>
  typeof raised === 'string' ? expect.fail(raised) : raised;

/** The fence in a file, as the next run reads it. */
function fenceIn(path = fenceFile(folder, ID)): Fence {
  return understood(parseFence(folder, path, read(path), TRUSTED, 5));
}

describe('a fence', () => {
  test('takes the place of the record, and says who has it, where, and what ends with the server', () => {
    const record = recorded();
    expect(held(raiseFence(folder, record, BY, [SERVER, MCP])).id).toBe(ID);
    expect(state()).toEqual(FENCED);
    expect(fenceIn()).toEqual({
      id: ID,
      file: fenceFile(folder, ID),
      run: RUN,
      machine: MACHINE,
      tree: [SERVER, MCP],
      port: 4096,
      record: { ...record, password: expect.anything() },
      original: textOf(),
      recordIsBack: false,
      content: read(fenceFile(folder, ID)),
      seenAt: 5,
    });
  });

  test('is had by the first of two runs, and the other leaves everything as it is', () => {
    const record = recorded();
    const first = held(raiseFence(folder, record, BY, []));
    const before = read(fenceFile(folder, ID));
    expect(raiseFence(folder, record, BY_OTHER, [])).toBe('taken');
    write(file, textOf());
    expect(raiseFence(folder, record, BY_OTHER, [])).toBe('taken');
    expect([read(fenceFile(folder, ID)), read(file)]).toEqual([before, textOf()]);
    first.close();
  });

  test.each<[string, object]>([
    ['the user has started it', { startedByPlugin: false }],
    ['it has another password', { password: 'other' }],
    ['it is another process', { pid: 99 }],
    ['nothing that is understood', { id: 'other' }],
  ])('is not raised where the record says by now that %s', (_what, but) => {
    const record = recorded();
    write(file, textOf(but));
    expect([raiseFence(folder, record, BY, []), state(), read(file)]).toEqual(['changed', RECORDED, textOf(but)]);
  });

  test('is raised where the record is written in other words that say the same', () => {
    const record = { ...recorded(), alsoIn: [recorded()] };
    const text = JSON.stringify(JSON.parse(textOf()), null, 2);
    write(file, text);
    held(raiseFence(folder, record, BY, [])).withdraw();
    expect([state(), read(file)]).toEqual([RECORDED, text]);
  });

  test('is not raised where the record is gone', () => {
    expect([raiseFence(folder, recordedBefore(), BY, []), state()]).toEqual(['changed', NOTHING]);
  });

  test('is taken down at once where the record changes while it is raised', () => {
    const record = recorded();
    meanwhile('renameSync', (nth) => nth === 1 && write(file, textOf({ startedByPlugin: false })));
    expect(raiseFence(folder, record, BY, [])).toBe('changed');
    expect([state(), JSON.parse(read(file)).startedByPlugin]).toEqual([RECORDED, false]);
  });

  test('is taken down at once where the record cannot be removed: both stay as they were', () => {
    const record = recorded();
    meanwhile('renameSync', () => fail('EACCES'));
    expect(() => raiseFence(folder, record, BY, [])).toThrow('EACCES');
    expect([state(), read(file)]).toEqual([RECORDED, textOf()]);
  });

  test('of a plugin’s server leaves the plugin’s file alone, from its raising to its end', () => {
    const record = ofPlugin();
    const touched = ['renameSync', 'unlinkSync'] as const;
    const calls = touched.map((name) => meanwhile(name));
    for (const end of ['withdraw', 'close'] as const) {
      const fence = held(raiseFence(folder, record, BY, [SERVER]));
      expect(fenceIn(fenceFile(folder, 'plugins'))).toMatchObject({ record: undefined, tree: [SERVER], port: 4096 });
      fence[end]();
      expect(state()).toEqual(NOTHING);
    }
    expect(calls.flat(2).filter((path) => path === record.source.file)).toEqual([]);
    expect(read(record.source.file)).toBe('the plugin’s own words');
  });

  test('of a plugin’s server goes where the plugin has removed its file meanwhile', () => {
    const record = ofPlugin();
    const fence = held(raiseFence(folder, record, BY, [SERVER]));
    rmSync(record.source.file);
    fence.withdraw();
    expect([state(), existsSync(record.source.file)]).toEqual([NOTHING, false]);
  });

  test('notes the tree as it is by then', () => {
    const fence = held(raiseFence(folder, recorded(), BY, [SERVER]));
    fence.note([SERVER, MCP]);
    expect(fenceIn()).toMatchObject({ tree: [SERVER, MCP], run: RUN, original: textOf() });
  });

  test('is gone without its record where the server is, and gives it back where the server stays', () => {
    held(raiseFence(folder, recorded(), BY, [])).close();
    expect(state()).toEqual(NOTHING);
    held(raiseFence(folder, recorded(), BY, [])).withdraw();
    expect([state(), read(file)]).toEqual([RECORDED, textOf()]);
  });

  test('that is withdrawn once its server was to be signaled stays beside the record, from then on', () => {
    const fence = held(raiseFence(folder, recorded(), BY, [SERVER]));
    utimesSync(fenceFile(folder, ID), 1, 1);
    fence.begin();
    fence.withdraw();
    const name = `${ID}@70-began-70.back.json`;
    expect([state(), read(file)]).toEqual([{ servers: [`${ID}.json`], closing: [name] }, textOf()]);
    expect(fenceIn(join(folder.closing, name))).toMatchObject({ run: RUN, tree: [SERVER], recordIsBack: true });
    expect(Date.now() - statSync(join(folder.closing, name)).mtimeMs).toBeLessThan(60_000);
  });

  test('that was to be signaled goes where the server is gone', () => {
    const fence = held(raiseFence(folder, recorded(), BY, [SERVER]));
    fence.begin();
    fence.close();
    expect(state()).toEqual(NOTHING);
  });

  test('that is withdrawn puts nothing over a record that is there again', () => {
    const fence = held(raiseFence(folder, recorded(), BY, []));
    write(file, 'written meanwhile');
    fence.withdraw();
    expect([state(), read(file)]).toEqual([RECORDED, 'written meanwhile']);
  });

  test('that cannot be changed or removed stays as it is, for the next run to finish', () => {
    const fence = held(raiseFence(folder, recorded(), BY, [SERVER]));
    const before = read(fenceFile(folder, ID));
    meanwhile('linkSync', () => fail('ENOSPC'));
    meanwhile('renameSync', () => fail('ENOSPC'));
    meanwhile('unlinkSync', () => fail('EROFS'));
    fence.note([]);
    fence.close();
    fence.withdraw();
    expect(names(folder.closing)).toContain(`${ID}.json`);
    expect(read(fenceFile(folder, ID))).toBe(before);
  });
});

describe('a fence of a run that has died', () => {
  /** With its record in it, as it was read. */
  const left = (): Fence => {
    held(raiseFence(folder, recorded(), BY, [SERVER]));
    return fenceIn();
  };
  const taken = `${ID}@71-began-71.json`;
  const standing = `${ID}@70-began-70.back.json`;

  test('goes with its record, or without it', () => {
    liftFence(left(), 'lives', BY_OTHER);
    expect([state(), read(file)]).toEqual([RECORDED, textOf()]);
    rmSync(file);
    liftFence(left(), 'gone', BY_OTHER);
    expect(state()).toEqual(NOTHING);
  });

  test('stays beside its record, as the dead run’s, while the server may be ending, and keeps nobody out', () => {
    const fence = left();
    liftFence(fence, 'may be ending', BY_OTHER);
    expect([state(), read(file)]).toEqual([{ servers: [`${ID}.json`], closing: [standing] }, textOf()]);
    const stood = fenceIn(join(folder.closing, standing));
    const same = { run: RUN, machine: BY_OTHER.machine, tree: [SERVER], original: textOf(), recordIsBack: true };
    expect(stood).toMatchObject({ ...same, record: { id: ID } });
    held(raiseFence(folder, understood(parseRecord(file, textOf(), TRUSTED)), BY_OTHER, [SERVER])).close();
    expect(state()).toEqual({ servers: [], closing: [standing] });
  });

  test('that stays beside its record brings nothing back, whatever has become of the record', () => {
    for (const fate of ['gone', 'lives', 'may be ending'] as const) {
      liftFence(left(), 'may be ending', BY_OTHER);
      rmSync(file);
      liftFence(fenceIn(join(folder.closing, standing)), fate, BY_OTHER);
      expect(state()).toEqual(fate === 'may be ending' ? { servers: [], closing: [standing] } : NOTHING);
    }
  });

  test('stays beside its record under the name of the run that had taken it over, and died too', () => {
    const fence = left();
    meanwhile('linkSync', (nth) => nth === 1 && fail('ENOSPC'));
    liftFence(fence, 'may be ending', BY_OTHER);
    expect(state()).toEqual({ servers: [], closing: [taken] });
    liftFence(fenceIn(join(folder.closing, taken)), 'may be ending', BY);
    expect([state(), read(file)]).toEqual([
      { servers: [`${ID}.json`], closing: [`${ID}@71-began-71.back.json`] },
      textOf(),
    ]);
  });

  test('of a plugin’s server stays, too, while that may be ending', () => {
    const record = ofPlugin();
    held(raiseFence(folder, record, BY, [SERVER]));
    liftFence(fenceIn(fenceFile(folder, 'plugins')), 'may be ending', BY_OTHER);
    expect([state(), read(record.source.file)]).toEqual([
      { servers: [], closing: ['plugins@70-began-70.back.json'] },
      'the plugin’s own words',
    ]);
  });

  test('of a plugin’s server goes', () => {
    const record = ofPlugin();
    held(raiseFence(folder, record, BY, [SERVER]));
    liftFence(fenceIn(fenceFile(folder, 'plugins')), 'lives', BY_OTHER);
    expect([state(), read(record.source.file)]).toEqual([NOTHING, 'the plugin’s own words']);
  });

  test('is under the name of the run that takes it over until the record is back', () => {
    const fence = left();
    const seen: unknown[] = [];
    meanwhile('linkSync', (_nth, [, to]) => {
      seen.push([basename(String(to)), state(), fenceIn(join(folder.closing, taken))]);
    });
    liftFence(fence, 'lives', BY_OTHER);
    const by = expect.objectContaining({ ...BY_OTHER, record: expect.anything(), original: textOf() });
    // What is being linked is whole by then, under a name of its own.
    const servers = [expect.stringMatching(/^\..*tmp$/)];
    expect(seen).toEqual([[`${ID}.json`, { servers, closing: [taken] }, by]]);
  });

  test('can be read by a person, and is known for taken over, where the run that did so does not know its start', () => {
    const fence = left();
    const seen: string[] = [];
    meanwhile('linkSync', () => {
      const [name = ''] = names(folder.closing);
      seen.push(name, read(join(folder.closing, name)));
    });
    liftFence(fence, 'lives', { ...BY_OTHER, run: { ...OTHER_RUN, startToken: undefined } });
    expect(seen).toEqual([`${ID}@71-unknown.json`, expect.stringMatching(/^\{\n {2}"schema"/)]);
  });

  test('is left alone where it is another one by now', () => {
    const fence = left();
    rmSync(fence.file);
    held(raiseFence(folder, recorded(), BY_OTHER, [MCP]));
    const others = read(fence.file);
    const moved = meanwhile('renameSync');
    liftFence(fence, 'lives', BY);
    expect([state(), read(fence.file), moved]).toEqual([FENCED, others, []]);
  });

  test('is handed back where another one comes in between', () => {
    const fence = left();
    let others = '';
    meanwhile('renameSync', (nth) => {
      if (nth !== 1) return;
      others = JSON.stringify({ ...JSON.parse(fence.content), ...BY_OTHER });
      write(fence.file, others);
    });
    liftFence(fence, 'lives', BY);
    expect([state(), read(fence.file)]).toEqual([FENCED, others]);
  });

  test('is another run’s where that was faster', () => {
    const fence = left();
    meanwhile('renameSync', (nth) => nth === 1 && rmSync(fence.file));
    liftFence(fence, 'lives', BY_OTHER);
    expect(state()).toEqual(NOTHING);
  });

  test('goes on a full disk too, where the record is back already', () => {
    const fence = left();
    write(file, textOf());
    meanwhile('writeSync', () => fail('ENOSPC'));
    liftFence(fence, 'lives', BY_OTHER);
    expect([state(), read(file)]).toEqual([RECORDED, textOf()]);
  });

  test('keeps the record where it cannot be put back', () => {
    const fence = left();
    meanwhile('writeSync', () => fail('ENOSPC'));
    liftFence(fence, 'lives', BY_OTHER);
    expect(state()).toEqual({ servers: [], closing: [taken] });
    expect(fenceIn(join(folder.closing, taken))).toMatchObject({ original: textOf() });
  });
});

describe('what a file says as a fence', () => {
  const CONTENT = { schema: 'opencode-reap/1', id: ID, run: RUN, machine: MACHINE, tree: [SERVER], port: 4096 };
  const said = (but: object = {}, name = `${ID}.json`, trust: ServerRecord['trust'] = TRUSTED): Fence | string =>
    parseFence(folder, join(folder.closing, name), JSON.stringify({ ...CONTENT, ...but }), trust, 5);

  test.each<[string, string, () => Fence | string]>([
    ['others could have written it', 'anyone', () => said({}, undefined, { kind: 'untrusted', because: 'anyone' })],
    ['nobody looked who could have', 'no look', () => said({}, undefined, { kind: 'unexamined', because: 'no look' })],
    ['it is of another version', 'written by another version (schema x)', () => said({ schema: 'x' })],
    ['it has no run', 'it does not name a run', () => said({ run: undefined })],
    ['its run is no process', 'it does not name a run', () => said({ run: { pid: 1 } })],
    ['it has no machine', 'it does not name a run', () => said({ machine: 7 })],
    ['it has no id', 'it does not name a run', () => said({ id: '' })],
    ['it has no tree', 'it does not name a run', () => said({ tree: {} })],
    ['it is in another’s place', 'its id does not match its file name', () => said({}, 'srv-2.json')],
    ['its name only begins alike', 'its id does not match its file name', () => said({}, `${ID}@1-x.json`)],
    ['its name goes on', 'its id does not match its file name', () => said({}, `${ID}@71-x.json.json.bak`)],
    ['it names a run and no start', 'its id does not match its file name', () => said({}, `${ID}@71-.json`)],
    [
      'its name says only that a record is back',
      'its id does not match its file name',
      () => said({}, `${ID}.back.json`),
    ],
    ['another’s was taken over', 'its id does not match its file name', () => said({}, 'srv-2@71-began-71.json')],
    ['its record is none', 'its record: not valid JSON', () => said({ record: '{' })],
    [
      'its record is another’s',
      'its record: its id does not match its file name',
      () => said({ record: textOf({ id: 'x' }) }),
    ],
  ])('is nothing where %s', (_what, because, fence) => expect(fence()).toBe(because));

  test('is its run, or the one in its name that has taken it over', () => {
    const runIn = (fence: Fence | string) => (typeof fence === 'string' ? fence : fence.run);
    expect(runIn(said())).toEqual(RUN);
    expect(runIn(said({}, `${ID}@71-began-71.json`))).toEqual(OTHER_RUN);
    expect(said({}, `${ID}@71-began-71.back.json`)).toMatchObject({ run: OTHER_RUN, recordIsBack: true });
    expect(said({}, `${ID}@71-began-71.json`)).toMatchObject({ recordIsBack: false });
  });

  test('is the processes that it names, without what names none', () => {
    expect(said({ tree: [SERVER, 7, null, { pid: 0 }, { pid: 1, startToken: 'x' }, MCP] })).toMatchObject({
      tree: [SERVER, MCP],
    });
  });

  test('is its port, or that of its record', () => {
    const portIn = (but: object) => (said(but) as Fence).port;
    expect(portIn({ record: textOf({ port: 5000 }) })).toBe(4096);
    expect(portIn({ port: undefined, record: textOf({ port: 5000 }) })).toBe(5000);
    expect(portIn({ port: undefined })).toBeUndefined();
  });
});
