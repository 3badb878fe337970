/** The year, the month (0 for January), the day, the hour, the minute and the second that a date names. */
export type DateParts = readonly [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
];

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');
const LSTART = /^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) ([ \d]?\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;
const DAY_MS = 86_400_000;

/**
 * What `ps -o lstart=` prints where the language is C: `Tue Nov 24 09:10:11 2026`, with the day in two columns. Undefined
 * for any other text, and for a date that no calendar has: its weekday must fit.
 */
export function lstartParts(text: string): DateParts | undefined {
  const [, weekday = '', month = '', ...rest] = LSTART.exec(text.trim()) ?? [];
  const [day = 0, hour = 0, minute = 0, second = 0, year = 0] = rest.map(Number);
  const parts: DateParts = [year, MONTHS.indexOf(month), day, hour, minute, second];
  const isDate = parts[1] >= 0 && day >= 1 && day <= daysIn(year, parts[1]);
  // 60 is a leap second.
  const isTime = hour < 24 && minute < 60 && second <= 60;
  return isDate && isTime && DAYS[weekdayOf(Date.UTC(year, parts[1], day))] === weekday ? parts : undefined;
}

/** The same as epoch seconds, of a date that is in UTC. */
export function lstartSeconds(text: string): number | undefined {
  const parts = lstartParts(text);
  return parts && Date.UTC(...parts) / 1000;
}

const daysIn = (year: number, month: number): number =>
  (Date.UTC(year, month + 1, 1) - Date.UTC(year, month, 1)) / DAY_MS;

/** 1 January 1970 was a Thursday. */
const weekdayOf = (ms: number): number => (((ms / DAY_MS + 4) % 7) + 7) % 7;
