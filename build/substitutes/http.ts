import { require } from './require.js';

/*
 * In place of `node:http` in every bundle: loads it at the first request, which saves 3 ms where none is made. Safe as
 * child-process.ts is.
 */

const load = (): typeof import('node:http') => require('node:http');

export const request = ((...args: [never]) => load().request(...args)) as typeof import('node:http').request;

export const Agent = new Proxy(Object as unknown as typeof import('node:http').Agent, {
  construct: (_none, args: [never]) => new (load().Agent)(...args),
});
