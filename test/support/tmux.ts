import { spawnSync } from 'node:child_process';

/** What a test that needs a terminal says where it is skipped; empty where it can run. */
export const withoutTmux = spawnSync('tmux', ['-V']).status === 0 ? '' : ' (skipped: tmux is not installed)';
