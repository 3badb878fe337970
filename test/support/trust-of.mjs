// Prints what the built program thinks of a file, for a test that runs it as another user, or with other lists of users.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { trustOf } from '../../dist/modules/state/files/trust.js';

const file = process.argv[2];
const trust = trustOf(statSync(file), statSync(dirname(file)), file);
process.stdout.write(trust.kind === 'trusted' ? 'trusted' : trust.because);
