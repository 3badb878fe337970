import type { Format } from '../format.js';
import { apoapps } from './apoapps.js';
import { brahmsyaifullah } from './brahmsyaifullah.js';
import { brian250713 } from './brian250713.js';
import { codexLine } from './codex-line.js';
import { dalong0514 } from './dalong0514.js';
import { joelfrancisco } from './joelfrancisco.js';
import { johnnyvicious } from './johnnyvicious.js';
import { masudaMasuo } from './masuda-masuo.js';
import { naicud } from './naicud.js';
import { opencodeDelegate } from './opencode-delegate.js';
import { rivaldofwijaya } from './rivaldofwijaya.js';
import { tasictLine } from './tasict-line.js';
import { therealdinghydog } from './therealdinghydog.js';
import { thevinialmeida } from './thevinialmeida.js';
import { zaralcy } from './zaralcy.js';

/** Every known format. To add one, write its file and add its row. */
export const FORMATS: readonly Format[] = [
  johnnyvicious,
  naicud,
  dalong0514,
  therealdinghydog,
  thevinialmeida,
  rivaldofwijaya,
  joelfrancisco,
  masudaMasuo,
  zaralcy,
  brahmsyaifullah,
  apoapps,
  brian250713,
  opencodeDelegate,
  tasictLine,
  codexLine,
];
