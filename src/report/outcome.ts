import { count, duration } from '../common/text.js';
import type { Outcome } from '../model/outcome.js';

/** What became of a server, worded for the table and the log. */
export function outcomeReason(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'stopped':
      return [
        `${outcome.signal}, ${count(outcome.processes.length, 'process', 'processes')} in ${duration(outcome.tookMs)}`,
        ...aftermath(outcome),
      ].join('; ');
    case 'gone':
      return 'it had already ended';
    case 'replaced':
      return `pid ${outcome.pid} now belongs to another process`;
    case 'denied':
      return `no permission to signal pid ${outcome.pid}`;
    case 'survived':
      return `still running after SIGKILL: ${outcome.pids.map((pid) => `pid ${pid}`).join(', ')}`;
    case 'withheld':
      return outcome.because;
  }
}

/** What a stopped server left. */
export function aftermath({ successor, leftBehind }: Extract<Outcome, { kind: 'stopped' }>): string[] {
  const named = (ended: boolean) =>
    leftBehind
      .filter((stray) => stray.ended === ended)
      .map(({ pid, name }) => `${name} (pid ${pid})`)
      .join(', ');
  return [
    ...(successor === undefined ? [] : [`its port is now held by pid ${successor}`]),
    ...(named(true) ? [`also ended: ${named(true)}`] : []),
    ...(named(false) ? [`left behind: ${named(false)}`] : []),
  ];
}
