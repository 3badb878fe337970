import { release } from 'node:os';
import type { Variables } from '../common/variables.js';
import { workspaceOf } from '../observe/directories.js';
import type { World } from '../run/world.js';
import type { Finding } from './finding.js';
import { hookFindings } from './hooks.js';
import { leftoverFindings } from './leftovers.js';
import { machineFindings } from './machine.js';
import { programFindings } from './program.js';
import { stateFindings } from './state.js';
import { wslFindings } from './wsl.js';

/** Checks everything that has to be in place, and changes nothing. */
export async function examine(world: World, env: Variables): Promise<Finding[]> {
  return [
    ...programFindings(process.versions.node),
    ...stateFindings(world.folder, env),
    ...hookFindings(workspaceOf(process.cwd()), env),
    ...(await machineFindings(world.platform)),
    ...wslFindings(release(), await world.platform.processes()),
    ...(await leftoverFindings(world)),
  ];
}
