import { prepare, shutDown, VERSIONS } from './machine.js';

export const setup = async (): Promise<void> => {
  await prepare();
  const { NODE_WIN, NODE_WIN_OLD, OPENCODE_WIN, CLAUDE_WIN } = VERSIONS;
  process.stderr.write(
    `real under Wine: opencode.exe ${OPENCODE_WIN}, claude.exe ${CLAUDE_WIN}, node.exe ${NODE_WIN} and ${NODE_WIN_OLD}, cmd.exe, reg.exe\n` +
      'stand-ins: powershell.exe, netstat.exe, taskkill.exe; what they print is of Win32, its format is not proved\n',
  );
};

export const teardown = shutDown;
