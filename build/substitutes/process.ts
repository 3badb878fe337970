/* In place of `node:process` in the vendored file: an import of it looks at its streams as well, which opens them. */
export default process;
