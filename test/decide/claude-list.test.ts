import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOfOtherPids, tokenOfProcStart } from '../../src/decide/claude-list.js';
import type { Host, StartTokens } from '../../src/model/identity.js';

const ID = '0123456789abcdef0123456789abcdef';
const OTHER_ID = 'fedcba9876543210fedcba9876543210';
const LINUX: Host = { id: ID, boot: 'b', pidNamespace: 'pid:[4026531836]', name: 'here' };
const MACOS: Host = { id: '00000000-1111-2222-3333-444444444444', boot: 'b', pidNamespace: 'darwin', name: 'here' };
const WINDOWS: Host = { id: 'guid', boot: undefined, pidNamespace: 'something of Windows', name: 'here' };
const UNREADABLE: Host = { id: undefined, boot: undefined, pidNamespace: undefined, name: 'here' };

describe('procStart in the list of Claude Code', () => {
  test.each<[StartTokens, unknown, string | undefined]>([
    ['ticks', '656078', '656078'],
    ['ticks', 656078, '656078'],
    ['ticks', 'Tue Nov 24 08:00:09 2026', undefined],
    ['seconds', 'Tue Nov 24 08:00:09 2026', '1795507209'],
    ['seconds', '656078', undefined],
    ['seconds', 656078, undefined],
    ['seconds', 'Di. 24 Nov. 08:00:09 2026', undefined],
    ['seconds', '', undefined],
    ['seconds', null, undefined],
    ['seconds', ['Tue Nov 24 08:00:09 2026'], undefined],
    ['microseconds', '134086464090123456', '13408646409012345'],
    // As a number it has been rounded.
    ['microseconds', Number('134086464090123456'), undefined],
    ['microseconds', '656078', undefined],
    ['microseconds', 'Tue Nov 24 08:00:09 2026', undefined],
    ['own', 'Tue Nov 24 08:00:09 2026', undefined],
    ['own', '656078', undefined],
  ])('is, where start tokens are %s, of %j the token %j', (form, value, token) => {
    expect(tokenOfProcStart(value, form)).toBe(token);
  });
});

describe('an entry of Claude Code’s list is of other pids than ours', () => {
  test.each<[boolean, string, Host, unknown]>([
    [false, 'of this machine', LINUX, `linux:${ID}:pid:[4026531836]`],
    [true, 'of a container', LINUX, `linux:${ID}:pid:[4026532999]`],
    [true, 'of another machine with the usual namespace', LINUX, `linux:${OTHER_ID}:pid:[4026531836]`],
    [true, 'of a Mac, seen in a container', LINUX, 'darwin'],
    [false, 'of this Mac', MACOS, 'darwin'],
    [true, 'of a container on this Mac', MACOS, `linux:${OTHER_ID}:pid:[4026531836]`],
    [true, 'of a container on this Mac that could read nothing', MACOS, 'linux::'],
    [true, 'of a Mac, seen on Windows', WINDOWS, 'darwin'],
    [false, 'of Windows, where the host’s name changes', WINDOWS, 'win32:old-name'],
    [false, 'of a client that says none', MACOS, undefined],
    [false, 'of a client that says another kind of thing', MACOS, { darwin: true }],
    [false, 'of a client that says a list', LINUX, [`linux:${OTHER_ID}:pid:[4026532999]`]],
    [false, 'of a later client, which writes it in another way', MACOS, 'darwin:2'],
    [false, 'of a client that could not read its namespace', LINUX, `linux:${ID}:`],
    [false, 'of a client that could not read its machine id', LINUX, 'linux::pid:[4026531836]'],
    [false, 'of a client with a machine id of another form', LINUX, 'linux:my-host:pid:[4026531836]'],
    [false, 'of Linux, where we cannot read ours', UNREADABLE, `linux:${OTHER_ID}:pid:[4026532999]`],
    [false, 'of a Mac, where we cannot read ours', UNREADABLE, 'darwin'],
  ])('%s: %s', (expected, _what, host, domain) => {
    expect(isOfOtherPids(domain, host)).toBe(expected);
  });

  test('never where it is written as the client writes it, or is any other text', () => {
    const hosts = fc.constantFrom(MACOS, WINDOWS, UNREADABLE);
    const texts = fc.string().filter((text) => text !== 'darwin' && !text.startsWith('linux:'));
    fc.assert(fc.property(texts, hosts, (text, host) => !isOfOtherPids(text, host)));
  });
});
