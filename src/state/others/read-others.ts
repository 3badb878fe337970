import type { Variables } from '../../common/variables.js';
import type { Registration } from '../../model/owner.js';
import { neovimFiles, neovims } from './neovim.js';
import { openChamberFolder, openChambers } from './openchamber.js';
import { UNSAID } from './unsaid.js';

/** What programs that are no plugins of Claude Code wrote down about servers. A path that does not answer may hold any. */
export function readOthers(env: Variables, answers: (path: string) => boolean): Registration[] {
  const when = (path: string, by: Registration['by'], read: (path: string) => Registration[]): Registration[] =>
    answers(path) ? read(path) : [{ ...UNSAID, file: path, by, doubt: 'it does not answer' }];
  return [
    ...when(openChamberFolder(env), 'OpenChamber', openChambers),
    ...neovimFiles(env).flatMap((file) => when(file, 'Neovim', neovims)),
  ];
}
