// Has the file that plugins copy start a server and find it again, and says what each returned. usage: node ensure.mjs PORT
import { ensureServer } from 'file:///C:/reap/dist/opencode-reap.mjs';

const options = { port: Number(process.argv[2]), plugin: 'a plugin', retireAfter: 0 };
const started = await ensureServer(options);
const again = await ensureServer(options);
process.stdout.write(JSON.stringify([started, again]));
