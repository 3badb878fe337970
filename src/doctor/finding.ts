/** One checked thing: fine, worth knowing, or broken. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly about: string;
  readonly detail: string;
  /** The next step; undefined if there is none. */
  readonly hint?: string;
}

export const ok = (about: string, detail: string): Finding => ({ level: 'ok', about, detail });

export const warn = (about: string, detail: string, hint: string): Finding => ({ level: 'warn', about, detail, hint });

export const fail = (about: string, detail: string, hint: string): Finding => ({ level: 'fail', about, detail, hint });
