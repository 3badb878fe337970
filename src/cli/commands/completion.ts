import { completion, type Shell } from '../../report/completion.js';
import { print } from '../output.js';

export function completionCommand(shell: Shell): number {
  print(completion(shell));
  return 0;
}
