import { OLDEST_NODE } from '../common/defaults.js';
import { VERSION } from '../common/version.js';
import { runningBuild } from '../install/paths.js';
import { type Finding, fail, ok } from './finding.js';

export function programFindings(nodeVersion: string): Finding[] {
  const build = runningBuild();
  return [
    build
      ? ok('program', `opencode-reap ${VERSION} in ${build.folder}`)
      : fail('program', `opencode-reap ${VERSION} has no hook.cjs beside it`, 'npm run build creates it'),
    Number.parseInt(nodeVersion, 10) >= OLDEST_NODE
      ? ok('node', nodeVersion)
      : fail('node', `${nodeVersion} is too old`, `install Node ${OLDEST_NODE} or newer`),
  ];
}
