import { expect, test } from 'vitest';
import { wslFindings } from '../../src/doctor/wsl.js';
import { process, tableOf } from '../decide/given.js';

const relay = (name: string) => tableOf(process(4000, { name }));

test.each<[string, string, Parameters<typeof wslFindings>[1], RegExp | undefined]>([
  ['inside WSL', '5.15.167.4-microsoft-standard-WSL2', undefined, /^this is WSL: .* Windows itself/],
  ['inside WSL 1', '4.4.0-19041-Microsoft', undefined, /^this is WSL/],
  ['on a Windows whose WSL listens', '10.0.26100', relay('wslrelay.exe'), /^WSL runs here: .* inside it/],
  ['on one with an older WSL', '10.0.19045', relay('wslhost.exe'), /^WSL runs here/],
  ['on a Windows without it', '10.0.26100', relay('svchost.exe'), undefined],
  ['on Linux', '6.8.0-45-generic', undefined, undefined],
])('doctor says what is out of its sight %s', (_where, kernel, table, says) => {
  const details = wslFindings(kernel, table).map(({ detail }) => detail);
  expect(details).toEqual(says ? [expect.stringMatching(says)] : []);
});
