/* In place of `node:os`, as path.ts: 200 bytes less. */
export { devNull, homedir, hostname, tmpdir, uptime, userInfo } from 'node:os';
