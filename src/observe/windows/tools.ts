import type { RunTool, Tool } from '../run-tool.js';

export interface Tools {
  /** What a script printed, without a byte order mark; undefined when it failed, or printed nothing. */
  readonly powershell: (script: string) => Promise<string | undefined>;
  /** Every TCP and UDP row, a byte a character; undefined when it failed. */
  readonly netstat: () => Promise<string | undefined>;
  readonly machineGuid: (timeoutMs?: number) => Promise<string | undefined>;
}

/** Two to four seconds are common, and 16 were seen on a cold start beneath a virus scanner. */
const POWERSHELL_MS = 20_000;
/** `netstat -ano` and `reg query` take tens of milliseconds. */
const OTHERS_MS = 10_000;
/** A table of a thousand processes with long command lines is 2 MB. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * What PowerShell needs to find its own modules and its user's folder for temporary files, without which it takes itself
 * for locked down. `PSModulePath` is left out: inherited from PowerShell 7, it keeps Windows PowerShell from its modules.
 * `SystemRoot` is said anew, and by one spelling alone, since of two only one is taken.
 */
const KEPT = /^(windir|SystemDrive|ComSpec|TEMP|TMP|USERPROFILE|LOCALAPPDATA|APPDATA|ProgramData)$/i;

/** The folder that Windows is in, where a variable says so in the form of a path on a drive. */
export const systemRoot = (env: NodeJS.ProcessEnv): string =>
  /^[a-z]:\\[^"%]+$/i.test(env.SystemRoot ?? '') ? (env.SystemRoot ?? '').replace(/\\+$/, '') : 'C:\\Windows';

/**
 * Each by its absolute path in System32, and there: a program of that name in the current directory would be run before
 * it. PowerShell gets its script as text: a profile, an encoded command, a policy switch and a hidden window are what
 * virus scanners take for an attack, and a policy concerns script files alone.
 */
export function windowsTools(run: RunTool, env: NodeJS.ProcessEnv): Tools {
  const root = systemRoot(env);
  const cwd = `${root}\\System32`;
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value && KEPT.test(name) ? [[name, value] as const] : [],
  );
  const fixed = { ...Object.fromEntries(kept), SystemRoot: root, PATH: cwd };
  const ask = async (tool: Pick<Tool, 'file' | 'args' | 'timeoutMs' | 'encoding'>): Promise<string | undefined> => {
    const result = await run({ ...tool, file: `${cwd}\\${tool.file}`, env: fixed, cwd, maxBytes: MAX_BYTES });
    return result.kind === 'finished' && result.code === 0 ? result.stdout : undefined;
  };
  return {
    powershell: async (script) => {
      const args = ['-NoProfile', '-NonInteractive', '-Command', script];
      const file = 'WindowsPowerShell\\v1.0\\powershell.exe';
      const said = await ask({ file, args, timeoutMs: POWERSHELL_MS, encoding: 'utf8' });
      // Wine has a powershell.exe that prints nothing and succeeds.
      return said?.replace(/^\uFEFF/, '').trim() || undefined;
    },
    // Without `-p TCP`, which leaves out IPv6.
    netstat: () => ask({ file: 'netstat.exe', args: ['-ano'], timeoutMs: OTHERS_MS, encoding: 'latin1' }),
    machineGuid: async (timeoutMs = OTHERS_MS) => {
      const args = ['query', 'HKLM\\SOFTWARE\\Microsoft\\Cryptography', '/v', 'MachineGuid', '/reg:64'];
      return parseMachineGuid(await ask({ file: 'reg.exe', args, timeoutMs, encoding: 'latin1' }));
    },
  };
}

/** The value's name and its type are written the same in every language. */
export const parseMachineGuid = (text: string | undefined): string | undefined =>
  /^[ \t]*MachineGuid[ \t]+REG_SZ[ \t]+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[ \t]*\r?$/im
    .exec(text ?? '')?.[1]
    ?.toLowerCase();
