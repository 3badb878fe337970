/*
 * A terminal's screen as a picture. It knows what this program prints: text in the eight colors, bold and dim. The
 * picture has no font of its own, so each piece of text is told where to begin.
 */

const THEMES = {
  light: {
    back: '#ffffff',
    frame: '#d0d7de',
    text: '#1f2328',
    dim: '#59636e',
    green: '#116329',
    yellow: '#7d4e00',
    red: '#cf222e',
  },
  dark: {
    back: '#0d1117',
    frame: '#3d444d',
    text: '#f0f6fc',
    dim: '#9198a1',
    green: '#3fb950',
    yellow: '#d29922',
    red: '#f85149',
  },
};

const CELL = 8.4;
const LINE = 20;
const MARGIN = 16;

/** What follows is the log, whose lines are too long for a picture. */
const LAST = '$ npx opencode-reap log';

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The class that a sequence switches to; the last one of several counts. */
function classAfter(codes, before) {
  const known = { 0: '', 2: 'dim', 22: '', 31: 'red', 32: 'green', 33: 'yellow', 39: '' };
  return (codes === '' ? ['0'] : codes.split(';')).reduce((now, code) => known[Number(code)] ?? now, before);
}

/** `{ at, text, kind }` for each piece of a line, and the class that the next line begins with. */
function piecesOf(line, kindBefore) {
  const pieces = [];
  let [at, kind] = [0, kindBefore];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  for (const [whole, codes, text] of line.matchAll(/\u001b\[([\d;]*)m|([^\u001b]+)/g)) {
    if (text === undefined) kind = classAfter(codes, kind);
    else {
      pieces.push({ at, text, kind });
      at += whole.length;
    }
  }
  return { pieces, kind };
}

export function drawing(screen, columns, theme) {
  const colors = THEMES[theme];
  const all = screen.replaceAll('\u001b(B', '').trimEnd().split('\n');
  const end = all.findIndex((line) => line.includes(LAST));
  const lines = all
    .slice(0, end < 0 ? all.length : end)
    .join('\n')
    .trimEnd()
    .split('\n');
  let kind = '';
  const rows = lines.map((line, row) => {
    const read = piecesOf(line, kind);
    kind = read.kind;
    const pieces = read.pieces.map(
      ({ at, text, kind: of }) =>
        `<tspan x="${(MARGIN + at * CELL).toFixed(1)}"${of === '' ? '' : ` class="${of}"`}>${escaped(text.trimEnd())}</tspan>`,
    );
    return `<text y="${MARGIN + (row + 0.75) * LINE}" xml:space="preserve">${pieces.join('')}</text>`;
  });
  const [width, height] = [columns * CELL + 2 * MARGIN, lines.length * LINE + 2 * MARGIN];
  const classes = ['dim', 'green', 'yellow', 'red'].map((name) => `.${name}{fill:${colors[name]}}`).join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    '<title>A terminal in which opencode-reap stops one of two servers, and after a session has ended the other one</title>',
    `<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:${colors.text}}${classes}</style>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${colors.back}" stroke="${colors.frame}"/>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
