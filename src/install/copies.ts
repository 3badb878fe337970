import { readFileSync, rmdirSync } from 'node:fs';
import { codeOf, isAbsent, tryRead } from '../common/errors.js';
import { removeFile, replaceFile } from '../state/files/write.js';
import { giveToFoldersOwner, makeFolder } from './owner.js';
import type { Build } from './paths.js';

/** The program first: a hook without it next to it could not start anything. */
const PARTS = ['program', 'hook'] as const;

/** The files of `to` that are missing or differ from those of `from`. */
export const differing = (from: Build, to: Build): string[] =>
  PARTS.filter((part) => contentOf(from[part]) !== contentOf(to[part])).map((part) => to[part]);

/** Writes the files that differ; returns them. */
export function copyBuild(from: Build, to: Build): string[] {
  const files = differing(from, to);
  if (files.length > 0) makeFolder(to.folder, 0o700);
  for (const part of PARTS) {
    if (!files.includes(to[part])) continue;
    replaceFile(to[part], readFileSync(from[part], 'utf8'));
    giveToFoldersOwner(to[part]);
  }
  return files;
}

const contentOf = (file: string): string | undefined => tryRead(() => readFileSync(file, 'utf8'));

export const copiesOf = (build: Build): string[] =>
  PARTS.map((part) => build[part]).filter((file) => contentOf(file) !== undefined);

/** POSIX allows both for a folder that still has something in it. */
const NOT_EMPTY = ['ENOTEMPTY', 'EEXIST'];

/** Removes copies, by default all of them, and their folder if it is then empty. */
export function removeBuild(build: Build, there: readonly string[] = copiesOf(build)): readonly string[] {
  for (const file of there) removeFile(file);
  try {
    rmdirSync(build.folder);
  } catch (error) {
    if (!isAbsent(codeOf(error)) && !NOT_EMPTY.includes(codeOf(error) ?? '')) throw error;
  }
  return there;
}
