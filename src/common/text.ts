/** A duration in the largest unit that is precise enough: `45 s`, `12 min`, `9 h`, `3 d`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Four digits would be more than anyone compares. */
const MEGABYTES_AT_MOST = 1000;

export function memory(bytes: number): string {
  const megabytes = Math.round(bytes / 1_048_576);
  return megabytes < MEGABYTES_AT_MOST ? `${megabytes} MB` : `${(bytes / 1_073_741_824).toFixed(1)} GB`;
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
