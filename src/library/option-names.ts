import type * as Api from './api.js';

type Names<Options> = Readonly<Record<keyof Options, true>>;

const STATE: Names<Api.StateOptions> = { stateDir: true };
const SESSION: Names<Api.SessionOptions> = { sessionId: true, workspace: true, cwd: true };
const ATTACH: Names<Api.AttachOptions> = { server: true, port: true, ...SESSION, ...STATE };
const SERVER: Names<Api.ServerOptions> = {
  port: true,
  hostname: true,
  host: true,
  plugin: true,
  command: true,
  args: true,
  env: true,
  readyTimeout: true,
  retireAfter: true,
  secure: true,
  ...SESSION,
  ...STATE,
};
const STOP: Names<Api.StopOptions> = { grace: true, strays: true, ...STATE };
const SCAN: Names<Api.ScanOptions> = { olderThan: true, ...STATE };
const REAP: Names<Api.ReapOptions> = {
  dryRun: true,
  all: true,
  workspace: true,
  port: true,
  limit: true,
  grace: true,
  strays: true,
  ...SCAN,
};

/** What each function takes, in the order in which it is told. The types see to it that none is missing. */
export const TAKEN = {
  ensureServer: SERVER,
  attachSession: ATTACH,
  releaseSession: ATTACH,
  stopServer: STOP,
  scan: SCAN,
  reap: REAP,
};
