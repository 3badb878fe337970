import { run } from '../cli/cli.js';

/* The commands that people type. */
void run(process.argv).then((code) => {
  process.exitCode = code;
});
