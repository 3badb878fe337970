// Prints what CommandLineToArgvW makes of each line of a file: its words, each in brackets. usage: words FILE
#include <stdio.h>
#include <windows.h>
#include <shellapi.h>

int main(int argc, char **argv) {
  char line[256]; WCHAR wide[256]; FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (!f) return 1;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\r\n")] = 0;
    MultiByteToWideChar(CP_UTF8, 0, line, -1, wide, 256);
    int count; WCHAR **words = CommandLineToArgvW(wide, &count);
    for (int i = 0; i < count; i++) printf("[%ls]", words[i]);
    printf("\n"); LocalFree(words);
  }
  return 0;
}
