// Stand-ins for three tools of Windows that Wine 8 only half has, for running the win32 branch of a program under Wine.
// One source, one program per name: powershell.exe, netstat.exe, taskkill.exe (by argv[0]'s base name).
// What they print comes from Win32 itself (Toolhelp, GetProcessTimes, tokens, PEB, GetExtendedTcpTable), so that process
// ids, start times, parents, owners, sockets and their ends are real. They are no proof of what Microsoft's own tools print.
#include "winlook.h"
#include <ctype.h>
#include <fcntl.h>
#include <io.h>
// The program calls them with an environment of its own, so what they are to do is said by files.
static int told(const WCHAR *f) { return GetFileAttributesW(f) != INVALID_FILE_ATTRIBUTES; }
static FILE *calls(void) { return told(L"C:\\standin.log") ? fopen("C:\\standin.log", "a") : NULL; }
static void note(void) { FILE *f = calls(); if (f) { SYSTEMTIME t; GetSystemTime(&t); fprintf(f, "%02d:%02d:%02d.%03d %ls\n", t.wHour, t.wMinute, t.wSecond, t.wMilliseconds, GetCommandLineW()); fclose(f); } }
static int peb_string(HANDLE h, int offset, WCHAR *buf, int max) {
  PROCESS_BASIC_INFORMATION pbi; ULONG n; SIZE_T got; BYTE *params = NULL; UNICODE_STRING us;
  if (query()(h, 0, &pbi, sizeof pbi, &n) || !pbi.PebBaseAddress) return -1;
  if (!ReadProcessMemory(h, (BYTE *)pbi.PebBaseAddress + 0x20, &params, 8, &got) || !params) return -1;
  if (!ReadProcessMemory(h, params + offset, &us, sizeof us, &got) || us.Length / 2 > max) return -1;
  if (!ReadProcessMemory(h, us.Buffer, buf, us.Length, &got)) return -1;
  return us.Length / 2;
}
static int table(void) {
  static WCHAR buf[33000]; SYSTEMTIME now; FILETIME f; GetSystemTime(&now); SystemTimeToFileTime(&now, &f);
  HANDLE snap = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0); PROCESSENTRY32W e = { .dwSize = sizeof e }; int first = 1;
  printf("{\"self\":%lu,\"mode\":\"FullLanguage\",\"now\":\"%llu\",\"processes\":[", GetCurrentProcessId(), ((unsigned long long)f.dwHighDateTime << 32) | f.dwLowDateTime);
  for (BOOL ok = Process32FirstW(snap, &e); ok; ok = Process32NextW(snap, &e)) {
    HANDLE h = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, e.th32ProcessID); DWORD ses = 0, pn = 1024; WCHAR path[1024]; unsigned long long ft = 0; int n = -1; DWORD code = 0; char *s = NULL; SIZE_T rss = 0;
    if (h) { ft = filetime(h); s = sid(h); ProcessIdToSessionId(e.th32ProcessID, &ses); if (!QueryFullProcessImageNameW(h, 0, path, &pn)) pn = 0; GetExitCodeProcess(h, &code); PROCESS_MEMORY_COUNTERS m; if (GetProcessMemoryInfo(h, &m, sizeof m)) rss = m.WorkingSetSize; CloseHandle(h); } else pn = 0;
    if (h && code != STILL_ACTIVE) continue; // CIM does not list what has ended
    if ((h = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, FALSE, e.th32ProcessID))) { n = peb_string(h, 0x70, buf, 32768); CloseHandle(h); }
    printf("%s{\"pid\":%lu,\"ppid\":%lu,\"at\":", first ? "" : ",", e.th32ProcessID, e.th32ParentProcessID); first = 0;
    if (ft && ft < 0x0300000000000000ull) printf("\"%llu\"", ft / 10 * 10); else printf("null");
    printf(",\"session\":%lu,\"name\":", ses); js(e.szExeFile, wcslen(e.szExeFile)); printf(",\"cmd\":"); js(n < 0 ? NULL : buf, n); printf(",\"exe\":"); js(pn ? path : NULL, pn); printf(",\"rss\":%llu,\"sid\":", (unsigned long long)rss);
    if (s) printf("\"%s\"}", s); else printf("null}");
  }
  printf("]}\r\n"); return 0;
}
// '1472:13440073509898522' anywhere in the command: verify, end, wait. Where the first one is a server, the others stay if
// it was not ended.
static int end_all(const WCHAR *c) {
  int first = 1, guarded = wcsstr(c, L"if($w -ne 'ended')") != NULL, stay = 0; printf("{\"ended\":[");
  for (const WCHAR *p = c; (p = wcschr(p, L'\'')); ) {
    p++; WCHAR *q; unsigned long pid = wcstoul(p, &q, 10); if (q == p || *q != L':') continue; WCHAR *r; unsigned long long at = _wcstoui64(q + 1, &r, 10); if (*r != L'\'') continue; p = r + 1;
    if (stay) { printf(",{\"pid\":%lu,\"what\":\"unknown\"}", pid); continue; }
    const char *what; HANDLE h = OpenProcess(PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, pid); DWORD code = 0;
    if (!h) what = GetLastError() == ERROR_ACCESS_DENIED ? "denied" : "gone";
    else if (GetExitCodeProcess(h, &code) && code != STILL_ACTIVE) what = "gone";
    else if (filetime(h) / 10 != at) what = "replaced";
    else if (!TerminateProcess(h, 1)) what = "denied";
    else what = WaitForSingleObject(h, 2000) == WAIT_OBJECT_0 ? "ended" : "survived";
    if (h) CloseHandle(h);
    if (guarded && strcmp(what, "ended")) stay = 1;
    printf("%s{\"pid\":%lu,\"what\":\"%s\"}", first ? "" : ",", pid, what); first = 0;
  }
  printf("]}\r\n"); return 0;
}
static const char *STATES[] = { "", "CLOSED", "LISTENING", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT", "DELETE_TCB" };
static const char *state(DWORD s) { if (told(L"C:\\standin.de")) { if (s == 2) return "ABH\x99REN"; if (s == 5) return "HERGESTELLT"; if (s == 11) return "WARTEND"; if (s == 8) return "SCHLIESSEN_WARTEN"; } return s < 13 ? STATES[s] : "UNKNOWN"; }
static int netstat(void) {
  printf("\r\nActive Connections\r\n\r\n  Proto  Local Address          Foreign Address        State           PID\r\n"); char l[80], r[80];
  for (int six = 0; six < 2; six++) {
    DWORD n = 0; GetExtendedTcpTable(NULL, &n, TRUE, six ? AF_INET6 : AF_INET, TCP_TABLE_OWNER_PID_ALL, 0); n += 8192; void *t = malloc(n);
    if (GetExtendedTcpTable(t, &n, TRUE, six ? AF_INET6 : AF_INET, TCP_TABLE_OWNER_PID_ALL, 0)) continue;
    for (DWORD i = 0; i < *(DWORD *)t; i++) {
      DWORD s, pid; 
      if (!six) { MIB_TCPROW_OWNER_PID *o = &((MIB_TCPTABLE_OWNER_PID *)t)->table[i]; BYTE *a = (BYTE *)&o->dwLocalAddr, *b = (BYTE *)&o->dwRemoteAddr; s = o->dwState; pid = o->dwOwningPid; sprintf(l, "%d.%d.%d.%d:%u", a[0], a[1], a[2], a[3], ntohs(o->dwLocalPort)); sprintf(r, "%d.%d.%d.%d:%u", b[0], b[1], b[2], b[3], s == 2 ? 0 : ntohs(o->dwRemotePort)); }
      else { MIB_TCP6ROW_OWNER_PID *o = &((MIB_TCP6TABLE_OWNER_PID *)t)->table[i]; char x[64], y[64]; s = o->dwState; pid = o->dwOwningPid; inet_ntop(AF_INET6, o->ucLocalAddr, x, 64); inet_ntop(AF_INET6, o->ucRemoteAddr, y, 64); sprintf(l, "[%s]:%u", x, ntohs(o->dwLocalPort)); sprintf(r, "[%s]:%u", y, s == 2 ? 0 : ntohs(o->dwRemotePort)); }
      printf("  TCP    %-22s %-22s %-15s %lu\r\n", l, r, state(s), pid);
    }
  }
  return 0;
}
static void kill_tree(DWORD pid, DWORD parent) {
  HANDLE snap = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0); PROCESSENTRY32W e = { .dwSize = sizeof e };
  for (BOOL ok = Process32FirstW(snap, &e); ok; ok = Process32NextW(snap, &e)) if (e.th32ParentProcessID == pid && e.th32ProcessID != pid && e.th32ProcessID != GetCurrentProcessId()) kill_tree(e.th32ProcessID, pid);
  HANDLE h = OpenProcess(PROCESS_TERMINATE, FALSE, pid); if (h && TerminateProcess(h, 1)) printf("SUCCESS: The process with PID %lu (child process of PID %lu) has been terminated.\r\n", pid, parent); if (h) CloseHandle(h);
}
int wmain(int argc, WCHAR **argv) {
  WCHAR self[MAX_PATH]; GetModuleFileNameW(NULL, self, MAX_PATH); const WCHAR *base = wcsrchr(self, L'\\'); base = base ? base + 1 : self; note(); _setmode(1, _O_BINARY);
  if (!_wcsicmp(base, L"netstat.exe")) return netstat();
  if (!_wcsicmp(base, L"taskkill.exe")) {
    DWORD pid = 0; int force = 0, tree = 0; for (int i = 1; i < argc; i++) { if (!_wcsicmp(argv[i], L"/pid") && i + 1 < argc) pid = wcstoul(argv[++i], NULL, 10); else if (!_wcsicmp(argv[i], L"/f")) force = 1; else if (!_wcsicmp(argv[i], L"/t")) tree = 1; }
    HANDLE h = OpenProcess(PROCESS_TERMINATE, FALSE, pid); if (!h) { fprintf(stderr, "ERROR: The process \"%lu\" not found.\r\n", pid); return 128; }
    if (!force) { fprintf(stderr, "ERROR: The process with PID %lu could not be terminated.\r\nReason: This process can only be terminated forcefully (with /F option).\r\n", pid); return 1; }
    if (tree) kill_tree(pid, 0); else { TerminateProcess(h, 1); printf("SUCCESS: The process with PID %lu has been terminated.\r\n", pid); } return 0;
  }
  const WCHAR *c = GetCommandLineW(); // powershell.exe: only what this project asks
  if (wcsstr(c, L"Stop-Process")) return end_all(c);
  if (wcsstr(c, L"Win32_Process")) return table();
  if (wcsstr(c, L"MachineGuid")) { char g[64] = ""; DWORD n = sizeof g; RegGetValueA(HKEY_LOCAL_MACHINE, "SOFTWARE\\Microsoft\\Cryptography", "MachineGuid", RRF_RT_REG_SZ, NULL, g, &n); printf("%s\r\n", g); return 0; }
  fprintf(stderr, "stand-in powershell.exe: a command it does not know\r\n"); return 1;
}
