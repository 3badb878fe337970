/**
 * A plugin for OpenCode, as text: it runs inside the server, where nothing of ours can be imported, and it must be the
 * same however this program was bundled. OpenCode calls every export as a plugin, so there is one; it calls it once for
 * each directory, so what they share is global. Plain JavaScript that OpenCode's own runtime (Bun) loads. It asks twice
 * a second at most: each question starts a program, and whoever wants more of them has mistaken the unit.
 */
export const PLUGIN_SOURCE = `// Put here by opencode-reap, for the servers that it starts; OpenCode loads it as a plugin.
// Once nothing has happened in such a server for long, it has opencode-reap judge it. It decides and ends nothing.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const SHARED = Symbol.for('opencode-reap.retire');
const LONGEST_TIMER_MS = 2 ** 31 - 1;

// What happens by itself, or outside of the server, does not use it.
const IDLE_EVENTS = /^(file\\.watcher|filesystem|models-dev|catalog|installation|integration|reference|vcs|lsp)\\./;

// Whatever this server starts inherits these words too, an opencode among them; but a record names this process alone.
const isRecorded = ({ record }) => {
  try {
    const { pid, serverPid } = JSON.parse(readFileSync(record, 'utf8'));
    return pid === process.pid || serverPid === process.pid;
  } catch {
    return false;
  }
};

const ask = ({ node, args }) => {
  const child = spawn(node, args, { cwd: '/', stdio: 'ignore', windowsHide: true });
  // Without node, or without the program, nobody judges this server now; it asks again later.
  child.on('error', () => undefined);
  child.unref();
};

const watch = (told) => {
  const shared = { at: performance.now() };
  const afterMs = Math.max(told.afterMs, 500);
  const later = (ms) => setTimeout(look, Math.min(ms, LONGEST_TIMER_MS)).unref();
  const look = () => {
    const left = shared.at + afterMs - performance.now();
    if (left > 0) return later(left);
    shared.at = performance.now();
    later(afterMs);
    if (isRecorded(told)) ask(told);
  };
  later(afterMs);
  return shared;
};

export const OpencodeReapRetire = async () => {
  const told = process.argv[2] === 'serve' ? process.env.OPENCODE_REAP_RETIRE : undefined;
  if (!told) return {};
  globalThis[SHARED] ??= watch(JSON.parse(told));
  const event = async ({ event }) => {
    if (!IDLE_EVENTS.test(event.type)) globalThis[SHARED].at = performance.now();
  };
  return { event };
};
`;
