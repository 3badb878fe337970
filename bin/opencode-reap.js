#!/usr/bin/env node
// CommonJS, since an empty ES module alone takes as long as the whole hook does.
if (process.argv[2] === 'hook') require('../dist/hook.cjs');
else if (Number.parseInt(process.versions.node, 10) >= 20) require('../dist/parts/program.cjs');
else {
  // Older ones cannot even parse the rest.
  process.stderr.write(
    `error: node ${process.versions.node} is too old for opencode-reap\nhint: install Node 20 or newer\n`,
  );
  process.exitCode = 1;
}
