import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { keptRows } from '../../../src/observe/windows/kept-rows.js';
import { keptTables } from '../../../src/observe/windows/kept-tables.js';
import type { Looked } from '../../../src/observe/windows/processes.js';

/** What `performance.now()` says, which goes on only where a test says so. */
let time = { mockReturnValue: (_ms: number): unknown => undefined };
beforeEach(() => {
  const spy = vi.spyOn(performance, 'now').mockReturnValue(1_000);
  onTestFinished(() => spy.mockRestore());
  time = spy;
});

describe('one list of connections', () => {
  /** Counts its lists. */
  const kept = () => {
    let lists = 0;
    const list = async () => {
      lists += 1;
      return [];
    };
    return { ...keptRows(list), lists: () => lists };
  };

  test('serves a look, for half a second after it arrived', async () => {
    const { rows, lists } = kept();
    const first = rows();
    time.mockReturnValue(9_000);
    expect(rows()).toBe(first);
    await first;
    time.mockReturnValue(9_500);
    expect(rows()).toBe(first);
    time.mockReturnValue(9_501);
    expect(rows()).not.toBe(first);
    expect(lists()).toBe(2);
  });

  test('is forgotten where a look begins', async () => {
    const { rows, forget, lists } = kept();
    await rows();
    forget();
    await rows();
    expect(lists()).toBe(2);
  });
});

describe('one list of processes', () => {
  const looked = (owner: string): Looked => ({ processes: new Map(), owner });

  /** Each look gives the next of these. */
  const kept = (...results: readonly (Looked | undefined)[]) => {
    let looks = 0;
    const look = async () => results[looks++];
    return { ...keptTables(look), looks: () => looks };
  };

  test('serves for fifteen seconds, and is as old as it is', async () => {
    const { recent, looks } = kept(looked('1'), looked('2'));
    expect(await recent()).toMatchObject({ looked: { owner: '1' }, at: 1_000 });
    time.mockReturnValue(15_999);
    expect(await recent()).toMatchObject({ looked: { owner: '1' }, at: 1_000 });
    time.mockReturnValue(16_000);
    expect(await recent()).toMatchObject({ looked: { owner: '2' }, at: 16_000 });
    expect(looks()).toBe(2);
  });

  test('is made anew where the last look failed; what was seen last is still known', async () => {
    const { recent, anew, latest } = kept(looked('1'), undefined, looked('3'));
    expect(await latest()).toBeUndefined();
    expect(await recent()).toMatchObject({ looked: { owner: '1' } });
    expect(await anew()).toBeUndefined();
    expect(await latest()).toMatchObject({ looked: { owner: '1' } });
    expect(await recent()).toMatchObject({ looked: { owner: '3' } });
    expect(await latest()).toMatchObject({ looked: { owner: '3' } });
  });
});
