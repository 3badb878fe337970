/* In place of `node:os`, as path.ts. */
export { devNull, homedir, hostname, tmpdir, uptime, userInfo } from 'node:os';
