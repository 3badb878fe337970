import { look } from '../../src/cli/commands/list.js';
import { jsonReport } from '../../src/report/json.js';
import { inProject, openWorld } from '../../src/run/world.js';
import type { Reported } from './reaped.js';
import type { Changes, Sandbox } from './sandbox.js';

export interface Listed {
  readonly code: number;
  readonly servers: readonly (Reported & { readonly leases: readonly unknown[] })[];
}

/**
 * What `list --older-than 0s --json` prints, by the same code in this process: a process of its own takes six times as
 * long, and many tests ask.
 */
export const listHere = async ({ project, ...sandbox }: Sandbox, env: Changes = {}): Promise<Listed> => {
  const world = await openWorld(undefined, sandbox.env(env));
  const reaped = await look({ olderThan: 0 }, inProject(world, { path: project, real: project }));
  return { code: reaped.unread.length > 0 ? 1 : 0, ...JSON.parse(JSON.stringify(jsonReport(reaped, '0'))) };
};
