import { isObject, type Json } from '../../common/json.js';
import { type Host, type Identity, parsePid } from '../../model/identity.js';
import type { FileRead } from './read.js';

/** The schema of every file that we write. Vendored copies of several versions share the folder. */
export const SCHEMA = 'opencode-reap/1';

/** Also what a file looks like while another program writes it in place. */
export const TORN = 'not valid JSON';
export const NO_OBJECT = 'not a JSON object';

/** A JSON object, or a sentence that says why the text is not one. */
export function parseObject(text: string): Json | string {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : NO_OBJECT;
  } catch (error) {
    if (error instanceof SyntaxError) return TORN;
    throw error;
  }
}

/** The text of a file of ours. */
export const formatOurs = (content: object): string => `${JSON.stringify({ schema: SCHEMA, ...content }, null, 2)}\n`;

export function parseOurs(text: string): Json | string {
  const json = parseObject(text);
  if (typeof json === 'string' || json.schema === SCHEMA) return json;
  return typeof json.schema === 'string' ? `written by another version (schema ${json.schema})` : 'it has no schema';
}

/**
 * The numbers in a text that was not understood, to tell what it may be about; undefined when it could not be read, or
 * is too large to be a record.
 */
export const numbersIn = (read: FileRead): ReadonlySet<number> | undefined =>
  read.kind === 'text' && read.text.length < 65_536
    ? new Set(Array.from(read.text.matchAll(/\d+/g), ([digits]) => Number(digits)))
    : undefined;

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.flatMap((item) => text(item) ?? []) : [];

export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

export const port = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536 ? value : undefined;

export const wholeNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** The last moment that a Date can represent. */
const END_OF_TIME = 8.64e15;

/** Epoch milliseconds, from a number or from an ISO date; undefined for anything else. */
export function time(value: unknown): number | undefined {
  if (typeof value === 'number') return value >= 0 && value <= END_OF_TIME ? value : undefined;
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

export function identity(pid: unknown, startToken: unknown): Identity | undefined {
  const parsed = parsePid(pid);
  return parsed === undefined ? undefined : { pid: parsed, startToken: text(startToken) };
}

export function machine(value: unknown): Host | undefined {
  if (!isObject(value)) return undefined;
  return {
    id: text(value.id),
    boot: text(value.boot),
    pidNamespace: text(value.pidNamespace),
    timeNamespace: text(value.timeNamespace),
    name: text(value.name) ?? '',
  };
}
