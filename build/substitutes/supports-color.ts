/*
 * In place of what chalk asks about the terminal as it is loaded, for which node loads its streams: 3 ms. Safe because the
 * program says itself whether there are colors (`paintFor` in src/report/text.ts), and chalk takes that.
 */

export default { stdout: false, stderr: false };
