import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/*
 * The part of the package execa that `pid-port` uses. The bundles have this in its place: execa and what it needs would be
 * two thirds of the vendored file, and a third of the program's, which every command would load. Safe because pid-port asks
 * for nothing else: a test compares what it reads of the answers.
 */

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Rejects as execa does, with `exitCode` and `stdout`. */
export async function execa(command: string, args: readonly string[]): Promise<{ readonly stdout: string }> {
  try {
    const { stdout } = await run(command, [...args], { maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true });
    return { stdout: stdout.replace(/\r?\n$/, '') };
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw Object.assign(error, { exitCode: error.code });
  }
}
