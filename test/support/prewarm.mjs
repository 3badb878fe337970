// A stand-in for DevMinions' SessionStart hook, written by hand: it starts a server in exactly that way, and ends.
import { spawn } from 'node:child_process';

spawn('opencode', ['serve', '--port', '4096'], { detached: true, stdio: 'ignore' }).unref();
