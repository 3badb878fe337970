import { expect, test } from 'vitest';
import { noSuchServer, type ServerName, serverName } from '../../src/decide/server-name.js';

test.each<[string, ServerName]>([
  ['native-7', { kind: 'word', word: 'native-7', number: undefined }],
  ['4096', { kind: 'word', word: '4096', number: 4096 }],
  ['-1', { kind: 'word', word: '-1', number: undefined }],
  ['', { kind: 'word', word: '', number: undefined }],
  [':4096', { kind: 'port', port: 4096 }],
  ['localhost:4096', { kind: 'port', port: 4096 }],
  ['http://127.0.0.1:4096', { kind: 'port', port: 4096 }],
  ['http://127.0.0.1:4096/', { kind: 'port', port: 4096 }],
  ['HTTP://[::1]:4096', { kind: 'port', port: 4096 }],
  ['.', { kind: 'folder', path: '.' }],
  ['..', { kind: 'folder', path: '..' }],
  ['/code/shop', { kind: 'folder', path: '/code/shop' }],
  ['shop/', { kind: 'folder', path: 'shop/' }],
])('%j is a %j', (text, name) => {
  expect(serverName(text)).toEqual(name);
});

test.each([
  'http://example.com:4096',
  'http://127.0.0.1.example.com:4096',
  'http://127.0.0.1:4096/session',
  'http://user@127.0.0.1:4096',
  '::4096',
  ':4096:',
  ':65536000',
])('%s names no port of this machine', (text) => {
  expect(serverName(text).kind).toBe('word');
});

test.each([
  ['4096', 'no known server has the id, pid or port 4096'],
  [':4096', 'no known server is on port 4096'],
  ['./shop', 'no known server works in ./shop'],
])('where nothing goes by %s, that is said', (text, sentence) => {
  expect(noSuchServer(serverName(text))).toBe(sentence);
});
