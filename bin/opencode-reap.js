#!/usr/bin/env node
// CommonJS, since an empty ES module alone takes as long as the whole hook does.
if (process.argv[2] === 'hook') require('../dist/hook.cjs');
// On Windows ps-list starts a helper that lies beside its own sources. Elsewhere one file loads in 20 ms less.
else if (process.platform === 'win32') import('../dist/cli/cli.js').then(({ run }) => run(process.argv)).then(end);
else require('../dist/opencode-reap.cjs');

function end(code) {
  process.exitCode = code;
}
