import { apply, insert, type Member, parseDocument } from '../install/document.js';

/**
 * What OPENCODE_CONFIG_CONTENT must hold so that OpenCode loads one plugin more, with every other byte left as it is;
 * undefined when what is there cannot be understood. OpenCode adds its lists of plugins up, so those of other
 * configurations stay.
 */
export function withPlugin(content: string | undefined, url: string): string | undefined {
  if (!content) return JSON.stringify({ plugin: [url] });
  const root = parseDocument(content, 'with comments');
  if (root?.value.kind !== 'object') return undefined;
  // Of two, the last one counts.
  const plugins = root.value.members.findLast(({ key }) => key === 'plugin');
  if (plugins === undefined) return apply(content, insert(content, root, 'plugin', [url]));
  if (plugins.value.kind !== 'array') return undefined;
  return isListed(plugins, url) ? content : apply(content, insert(content, plugins, undefined, url));
}

/** A server that is started from another one's tool inherits what that one was given. */
const isListed = ({ value }: Member, url: string): boolean => value.members.some((member) => member.value.json === url);
