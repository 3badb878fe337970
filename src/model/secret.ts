/** A password on its way from a record or an environment to a request header; it prints as `[secret]` everywhere. */
export interface Secret {
  /** Hands out the text: to build a request, to compare two, and to give a plugin its own. */
  readonly reveal: () => string;
  readonly toJSON: () => string;
  readonly toString: () => string;
}

const hidden = (): string => '[secret]';

export const secret = (text: string): Secret => ({ reveal: () => text, toJSON: hidden, toString: hidden });

export const sameSecret = (a: Secret, b: Secret): boolean => a.reveal() === b.reveal();
