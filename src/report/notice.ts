import { count, memory } from '../common/text.js';
import type { Notice } from '../model/notice.js';

/** One line for a person who begins a session; undefined when there is nothing to say. */
export function noticeLine({ stopped, bytes, ports, left }: Notice): string | undefined {
  const back = [bytes > 0 ? memory(bytes) : [], ports.length > 0 ? portsOf(ports) : []].flat();
  const given = back.length > 0 ? `, ${back.join(' and ')} given back` : '';
  const more = stopped > 0 ? ' more' : ` ${left.length === 1 ? 'server' : 'servers'}`;
  const said = [
    stopped > 0 ? `stopped ${count(stopped, 'server')} that no session used${given}` : [],
    left.length > 0 ? `could not stop ${left.length}${more} that no session used` : [],
  ].flat();
  return said.length > 0 ? `opencode-reap: ${said.join('; ')} (opencode-reap log)` : undefined;
}

/** More would be more than one line. */
const FEW = 5;

function portsOf(ports: readonly number[]): string {
  const more = ports.length - FEW;
  return `${ports.length === 1 ? 'port' : 'ports'} ${ports.slice(0, FEW).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
