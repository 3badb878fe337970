/** How a person names a server. */
export type ServerName =
  /** An id, or a number: a pid or a port. */
  | { readonly kind: 'word'; readonly word: string; readonly number: number | undefined }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'folder'; readonly path: string };

/** A URL names a server only if it leads to this machine. */
const AT_PORT = /^(?:(?:https?:\/\/)?(?:127(?:\.\d{1,3}){3}|localhost|\[::1\]))?:(\d{1,5})\/?$/i;

/** No id contains a slash, so what contains one is a folder, and so are `.` and `..`. */
export function serverName(text: string): ServerName {
  const port = AT_PORT.exec(text)?.[1];
  if (port !== undefined) return { kind: 'port', port: Number(port) };
  if (/^\.{1,2}$/.test(text) || (text.includes('/') && !text.includes('://'))) return { kind: 'folder', path: text };
  return { kind: 'word', word: text, number: /^\d+$/.test(text) ? Number(text) : undefined };
}

/** The sentence that there is none. */
export function noSuchServer(name: ServerName): string {
  if (name.kind === 'word') return `no known server has the id, pid or port ${name.word}`;
  return name.kind === 'port' ? `no known server is on port ${name.port}` : `no known server works in ${name.path}`;
}
