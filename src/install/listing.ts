import { basename, dirname } from 'node:path';
import { clean, tilde } from '../report/text.js';
import type { Step } from './edits.js';
import type { Change } from './install.js';

/* What install and uninstall print. Of a settings file, only what is ours is ever shown: the rest may hold secrets. */

export interface Said {
  readonly settings: string;
  readonly home: string | undefined;
  readonly installing: boolean;
  readonly dryRun: boolean;
}

export function listing(change: Change, said: Said): string[] {
  const isDone = change.steps.length === 0 && change.files.length === 0;
  const lines = isDone ? [nothingToDo(said)] : [...copies(change, said), ...settings(change, said)];
  const kept = change.neededBy.map((path) => `the copies stay: ${tilde(path, said.home)} may still call them`);
  const note = change.shutOut === undefined ? [] : [shutOut(change.shutOut, said)];
  return [...lines, ...kept, ...note, ...(isDone ? [] : [closing(said)])].map(clean);
}

const shutOut = (user: number, { settings, home }: Said): string =>
  `${tilde(settings, home)} belongs to user ${user}, whose sessions cannot read the copies: run install as that user`;

const nothingToDo = ({ settings, home, installing }: Said): string =>
  installing
    ? `already installed: ${tilde(settings, home)} and what it calls are up to date`
    : `nothing to remove: ${tilde(settings, home)} has none of our hooks`;

function copies({ files }: Change, { home, installing, dryRun }: Said): string[] {
  const [first] = files;
  if (first === undefined) return [];
  const verb = dryRun ? `would ${installing ? 'write' : 'remove'}` : installing ? 'wrote' : 'removed';
  return [`${verb} ${files.map((file) => basename(file)).join(' and ')} in ${tilde(dirname(first), home)}`];
}

function settings({ steps, backup }: Change, { settings: path, home, dryRun }: Said): string[] {
  const shown = tilde(path, home);
  if (steps.length === 0) return [];
  if (dryRun) return [`--- ${shown}`, `+++ ${shown}`, ...steps.flatMap(difference)];
  return [`changed ${shown}${backup ? `; backup: ${tilde(backup, home)}` : ''}`];
}

function difference({ line, removed, added }: Step): string[] {
  const lines = (sign: string, piece: string): string[] =>
    piece === '' ? [] : piece.split(/\r?\n/).map((text) => sign + text.replaceAll('\t', '  '));
  return [`@@ line ${line} @@`, ...lines('-', removed), ...lines('+', added)];
}

function closing({ installing, dryRun }: Said): string {
  if (dryRun) return 'nothing was changed';
  return installing
    ? 'sessions started from now on are covered; opencode-reap doctor checks this'
    : 'sessions started from now on no longer call it';
}
