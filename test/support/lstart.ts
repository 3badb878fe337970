const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Epoch seconds as `ps -o lstart=` prints them in the language C and in UTC. */
export function lstart(seconds: number): string {
  const at = new Date(seconds * 1000);
  const [, time = ''] = at.toISOString().split('T');
  const day = String(at.getUTCDate()).padStart(2);
  return `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${day} ${time.slice(0, 8)} ${at.getUTCFullYear()}`;
}
