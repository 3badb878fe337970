import { spawnSync } from 'node:child_process';

/** Why a test that needs a terminal is skipped; empty if it can run. */
export const withoutTmux = spawnSync('tmux', ['-V']).status === 0 ? '' : ' (skipped: tmux is not installed)';
