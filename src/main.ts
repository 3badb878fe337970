/* The program in one file, for the background run and for whoever vendors it. */
if (process.argv[2] === 'hook') void import('./hook-main.js');
else {
  void import('./cli.js').then(async ({ run }) => {
    process.exitCode = await run(process.argv);
  });
}
