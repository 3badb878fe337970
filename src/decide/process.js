export function descendants(table, root) {
  const children = childrenByParent(table);
  const found = new Map();
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (child.pid === root || found.has(child.pid)) continue;
      found.set(child.pid, child);
      queue.push(child.pid);
    }
  }
  return [...found.values()];
}
export const childrenOf = (table, pid) => [...table.values()].filter((process) => process.parent === pid);
export const inGroup = (table, group) => [...table.values()].filter((process) => process.group === group);
/** The pids above this one, itself included. */
export function lineage(table, pid) {
  const seen = new Set();
  for (let at = pid; at !== undefined && at > 0 && !seen.has(at); at = table.get(at)?.parent) {
    seen.add(at);
  }
  return seen;
}
function childrenByParent(table) {
  const children = new Map();
  for (const process of table.values()) {
    const siblings = children.get(process.parent);
    if (siblings) siblings.push(process);
    else children.set(process.parent, [process]);
  }
  return children;
}
