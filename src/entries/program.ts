/* The program in one file, for the background run and for vendoring. */
if (process.argv[2] === 'hook') void import('./hook.js');
else void import('./commands.js');
