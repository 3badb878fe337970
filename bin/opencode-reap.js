#!/usr/bin/env node
// CommonJS, since an empty ES module alone takes as long as the whole hook does.
if (process.argv[2] === 'hook') require('../dist/hook.cjs');
else require('../dist/parts/program.cjs');
