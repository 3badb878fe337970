// usage: node end.cjs PID
process.kill(Number(process.argv[2]), 'SIGKILL');
