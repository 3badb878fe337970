import { type ChildProcess, spawn } from 'node:child_process';
import type { Variables } from '../common/variables.js';
import { type Pid, parsePid } from '../model/identity.js';
import { HAS_SHELL, KEPT_FOLDER } from './start-background.js';
import { ownStdio } from './stdio.js';

/** What the watch runs: the first of these programs that exists, with the first node that runs it. */
export interface Watching {
  /** Stays in the claim as long as this watch holds it. */
  readonly token: string;
  readonly claim: string;
  readonly stateDir: string;
  readonly everyMs: number;
  readonly firstMs: number;
  readonly programs: readonly string[];
}

/** Exit code of a look: nothing is left to watch, or another watch has taken over. */
export const WATCH_ENDS = 10;

/**
 * The variables that a look needs, and nothing else: the watch outlives the session by days and must not keep its
 * secrets. Plugins' folders are in `state/plugins/plugin-folders.ts`; what sessions said about them is in `places/`.
 * NODE_OPTIONS may load a file of the starter's that is gone tomorrow.
 */
const KEPT =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|XDG_(STATE|DATA|CONFIG|CACHE)_HOME|KUSABI_STATE_DIR|OPC_DATA_DIR|OPENCODE_(COMPANION|PLUGIN|SERVER|JOBS)(_.*)?_(DIR|DATA)|OPENCHAMBER_MANAGED_PROCESS_REGISTRY|NVIM_APPNAME|OPENCODE_REAP_(OLDER_THAN|GRACE|RETIRE_AFTER|WATCH_EVERY|STATE_DIR|TMP)|SYSTEMROOT|USERPROFILE|LOCALAPPDATA|APPDATA|PATHEXT)$/i;

/** About a day of looks: when none of them had anything to run, or all failed, the watch gives up. */
const MOST_IDLE_LOOKS = 144;

/** A sleeping shell takes a fiftieth of the memory of node. */
const SLICE_S = 60;

/**
 * Sleeps a minute at a time, so that it ends soon after its claim is gone and looks soon after a suspend: with /proc it
 * goes by the boot clock, else, as on macOS, it counts its minutes, and a suspend may put a look off by one interval. A look prints in how many seconds the next one is due. When there
 * is nothing to run, the next look tries again, since a node or a program may come back.
 */
const SCRIPT = `: opencode-reap, which looks after opencode servers when no hook does
trap '' HUP
trap '[ -z "$child" ] || kill "$child"; exit' TERM
child=
token=$1 claim=$2 root=$3 every=$4 first=$5 node=$6 one=$7 two=$8
slice=$every
[ "$slice" -gt "$first" ] && slice=$first
[ "$slice" -gt ${SLICE_S} ] && slice=${SLICE_S}
up=0 due= idle=0
now() { if read -r boot rest </proc/uptime; then up=\${boot%.*}; else up=$((up + slice)); fi; }
ours() { while read -r line; do case $line in *"$token"*) return 0 ;; esac; done <"$claim"; return 1; }
look() {
  for with in "$node" node; do
    command -v "$with" >/dev/null || continue
    for program in "$one" "$two"; do
      [ -r "$program" ] || continue
      next=$("$with" "$program" watch "$token" --state-dir "$root")
      code=$?
      [ $code -eq ${WATCH_ENDS} ] && exit 0
      [ $code -eq 0 ] && idle=0 && return
    done
  done
  next=
  idle=$((idle + 1))
  [ "$idle" -lt ${MOST_IDLE_LOOKS} ] || exit 0
}
now
due=$((up + first))
pause() {
  sleep "$slice" &
  child=$!
  wait "$child" || /bin/sleep "$slice"
  child=
}
while pause && ours; do
  now
  [ "$up" -lt "$due" ] && continue
  look
  case $next in '' | *[!0-9]*) next=$every ;; esac
  now
  due=$((up + next))
done
`;

const seconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)));

/**
 * Starts the watch so that it does not end with its starter: in a session of its own, reparented at once by the shell
 * that starts it, without a terminal, directory or file of the starter's. Undefined if it cannot be started.
 */
export async function startWatch(watching: Watching, callers: Variables): Promise<Pid | undefined> {
  const { token, claim, stateDir, everyMs, firstMs, programs } = watching;
  const [one, two = ''] = programs;
  if (one === undefined) return undefined;
  const kept = Object.entries(callers).filter(([name, value]) => value !== undefined && KEPT.test(name));
  const options = { env: Object.fromEntries(kept), detached: true, windowsHide: true } as const;
  if (!HAS_SHELL) {
    const args = [one, 'watch', token, '--state-dir', stateDir, '--stay'];
    const child = spawn(process.execPath, args, { ...options, cwd: KEPT_FOLDER, stdio: 'ignore' });
    child.on('error', () => undefined);
    child.unref();
    return parsePid(child.pid);
  }
  const args = [token, claim, stateDir, seconds(everyMs), seconds(firstMs), process.execPath, one, two];
  const line = ['-c', SCRIPT, 'opencode-reap-watch', ...args];
  const giveAway = ['-c', '"$@" </dev/null >/dev/null 2>&1 & echo $!', 'sh', '/bin/sh', ...line];
  const { stdio, done } = ownStdio('pipe');
  const child = spawn('/bin/sh', giveAway, { ...options, cwd: '/', stdio });
  done();
  return pidSaidBy(child);
}

/** If the machine cannot start another process, there is no watch now; the next start or background run tries again. */
function pidSaidBy(child: ChildProcess): Promise<Pid | undefined> {
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return new Promise((resolve) => {
    child.on('error', () => resolve(undefined));
    child.on('close', () => resolve(parsePid(Number(said))));
  });
}
