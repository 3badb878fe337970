// The quick tests of each folder or file: those that load its code into their own process, with a machine that stands in
// for a real one (test/support/scripted.ts) where it takes one. What only real programs show is not tried here.
const DECIDING = ['test/decide', 'test/model'];

/** A file belongs to the first row that it is below; a row is tried by its name. */
export const TESTS = {
  decide: [...DECIDING, 'test/report/columns.test.ts', 'test/report/table.test.ts', 'test/report/log-line.test.ts'],
  model: DECIDING,
  act: [
    'test/act/signal.test.ts',
    'test/act/end-at-once.test.ts',
    'test/act/end-tree.test.ts',
    'test/act/starts.test.ts',
    'test/act/take-back.test.ts',
  ],
  'state/files': [
    'test/state/parse.test.ts',
    'test/state/read.test.ts',
    'test/state/replaced.test.ts',
    'test/state/write.test.ts',
    'test/state/read-folder.test.ts',
    'test/state/trust-cases.test.ts',
    'test/state/iso-time.test.ts',
    'test/state/windows-files.test.ts',
    'test/fuzz.test.ts',
    'test/common/errors.test.ts',
  ],
  'state/ours/fences.ts': ['test/state/fences.test.ts', 'test/fuzz.test.ts'],
  'run/stop-server.ts': ['test/run/stop-server.test.ts'],
  'run/left-on-port.ts': ['test/run/stop-server.test.ts'],
  'run/finish-crashed.ts': ['test/run/finish-crashed.test.ts'],
  'run/survey.ts': ['test/run/survey.test.ts'],
  'run/judge.ts': ['test/run/judge.test.ts'],
  'observe/linux': [
    'test/fuzz.test.ts',
    'test/observe/observe.test.ts',
    'test/observe/birth.test.ts',
    'test/observe/listeners.test.ts',
  ],
  'observe/macos': [
    'test/observe/macos/parsers.test.ts',
    'test/observe/macos/command.test.ts',
    'test/observe/macos/platform.test.ts',
    'test/fuzz.test.ts',
  ],
  'observe/windows': ['test/observe/windows', 'test/fuzz.test.ts'],
  'observe/server/ask.ts': ['test/observe/server/address.test.ts'],
  'observe/server/activity.ts': [
    'test/observe/server/activity.test.ts',
    'test/observe/server/second.test.ts',
    'test/observe/server/address.test.ts',
    'test/observe/server/lists.test.ts',
  ],
  'observe/environment.ts': ['test/observe/environment.test.ts'],
  'observe/other.ts': ['test/observe/other.test.ts'],
  'observe/run-tool.ts': ['test/observe/run-tool.test.ts'],
  'observe/snapshot.ts': ['test/observe/snapshot.test.ts'],
  'observe/server': ['test/observe/server', 'test/fuzz.test.ts'],
};
