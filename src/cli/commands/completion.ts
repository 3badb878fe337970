import { type Completed, completion, type Shell } from '../../report/completion.js';
import { print } from '../output.js';

export function completionCommand(shell: Shell, words: readonly Completed[]): number {
  print(completion(shell, words));
  return 0;
}
