import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServerRecord } from '../../src/model/record.js';
import { formatRecord, type NativeRecord, parseRecord } from '../../src/state/ours/record-file.js';
import { asServerRecord, dropRecord, forgetRecord, writeRecord } from '../../src/state/ours/registry.js';
import { HERE, ownFiles, pid } from '../support/own-files.js';

/* What our own records say, and when one is forgotten. */

const own = ownFiles();

const RECORD: NativeRecord = {
  id: 'srv-1',
  startedByPlugin: true,
  plugin: 'a test',
  tag: 'a tag',
  starter: { pid: pid(9), startToken: 'starter' },
  spawned: { pid: pid(7), startToken: 'x' },
  server: { pid: pid(8), startToken: 'y' },
  machine: HERE,
  uid: 1000,
  hostname: '127.0.0.1',
  port: 4096,
  command: ['opencode', 'serve'],
  workspace: '/work',
  startedBySession: 'a session',
  startedAt: Date.UTC(2026, 0, 1),
  state: 'ready',
  password: 'a password',
  retireAfterMs: 60_000,
};

describe('a record', () => {
  const parsed = (but: object = {}, file = '/s/servers/srv-1.json') =>
    parseRecord(file, JSON.stringify({ ...JSON.parse(formatRecord(RECORD)), ...but }), { kind: 'trusted' });
  const record = (but: object = {}): ServerRecord => {
    const read = parsed(but);
    return typeof read === 'string' ? expect.fail(read) : read;
  };

  test('is read as it was written', () => {
    const { password, ...read } = record();
    expect(read).toEqual({
      id: 'srv-1',
      source: { format: 'native', file: '/s/servers/srv-1.json' },
      trust: { kind: 'trusted' },
      ownership: 'plugin',
      plugin: 'a test',
      tag: 'a tag',
      spawned: RECORD.spawned,
      server: RECORD.server,
      starter: RECORD.starter,
      machine: { ...HERE, timeNamespace: undefined },
      uid: 1000,
      hostname: '127.0.0.1',
      port: 4096,
      portIsStated: true,
      url: 'http://127.0.0.1:4096',
      workspace: '/work',
      workspaceHash: undefined,
      startedBySession: 'a session',
      startedAt: RECORD.startedAt,
      retireAfterMs: 60_000,
      state: 'ready',
      provenBy: 'start token',
      alsoIn: [],
    });
    expect(password?.reveal()).toBe('a password');
    expect(JSON.stringify(record())).not.toContain('a password');
  });

  test('has a URL where it has a port, with brackets around an address of IPv6', () => {
    expect(JSON.parse(formatRecord({ ...RECORD, hostname: '::1' })).url).toBe('http://[::1]:4096');
    expect(JSON.parse(formatRecord({ ...RECORD, port: undefined })).url).toBeUndefined();
  });

  test.each<[string, object, string]>([
    ['whose name is another', { id: 'srv-2' }, 'its id does not match its file name'],
    ['without an id', { id: undefined }, 'its id does not match its file name'],
    ['in another state', { state: 'other' }, 'its state is unknown'],
    ['that does not say who started it', { startedByPlugin: undefined }, 'it does not say who started the server'],
    ['that says so in other words', { startedByPlugin: 'true' }, 'it does not say who started the server'],
    [
      'that was adopted in other words',
      { startedByPlugin: null, adopted: 'yes' },
      'it does not say who started the server',
    ],
    ['of no machine', { machine: null }, 'it does not say which machine it is from'],
    ['of no process', { pid: 1 }, 'it does not name a process'],
    ['of a process without a start', { startToken: undefined }, 'it does not name a process'],
    ['of another version', { schema: 'opencode-reap/2' }, 'written by another version (schema opencode-reap/2)'],
  ])('%s is not understood', (_what, but, said) => {
    expect(parsed(but)).toBe(said);
  });

  test('without an id is not understood, whatever its file is called', () => {
    expect(parsed({ id: undefined }, '/s/servers/undefined.json')).toBe('its id does not match its file name');
  });

  test.each<[string, object, string]>([
    ['a plugin’s', {}, 'plugin'],
    ['the user’s', { startedByPlugin: false }, 'user'],
    ['adopted', { startedByPlugin: false, adopted: true }, 'adopted'],
    ['adopted, whoever started it', { startedByPlugin: undefined, adopted: true }, 'adopted'],
    ['not adopted by another word', { startedByPlugin: false, adopted: 1 }, 'user'],
  ])('is of a server that is %s', (_what, but, ownership) => {
    expect(record(but).ownership).toBe(ownership);
  });

  test('may be of a server that is only being started', () => {
    for (const state of ['spawning', 'starting', 'ready']) expect(record({ state }).state).toBe(state);
    expect(record({ state: 'spawning', pid: undefined, startToken: undefined }).spawned).toBeUndefined();
    expect(record({ starter: undefined }).starter).toBeUndefined();
    expect(record({ starter: 'nobody', password: '' })).toMatchObject({ starter: undefined, password: undefined });
  });

  test('is forgotten with its server, if it is still the one that was read', () => {
    const write = (but: Partial<NativeRecord> = {}): void => writeRecord(own.folder, { ...RECORD, ...but });
    const read = asServerRecord(own.folder, RECORD);
    const file = join(own.folder.servers, 'srv-1.json');
    const left = (): boolean => {
      forgetRecord(read);
      return existsSync(file);
    };
    expect(left()).toBe(false);
    write();
    expect(left()).toBe(false);
    write({ state: 'starting' });
    expect(left()).toBe(true);
    write({ spawned: { pid: pid(70), startToken: 'x' } });
    expect(left()).toBe(true);
    own.put('servers/srv-1.json', '{');
    expect(left()).toBe(true);
    write();
    // A plugin’s file is the plugin’s.
    forgetRecord({ ...read, source: { format: 'a plugin', file } });
    expect(existsSync(file)).toBe(true);
    dropRecord(own.folder, 'srv-1');
    expect(existsSync(file)).toBe(false);
  });

  test('that would not be understood is not written down by us', () => {
    expect(() => asServerRecord(own.folder, { ...RECORD, id: '' })).toThrow('a record that we wrote does not parse');
  });
});
