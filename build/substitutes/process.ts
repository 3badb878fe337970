/*
 * In place of `node:process` in the library and in the vendored file: an import of it looks at its streams as well, which
 * opens them and takes 5 ms. Safe because the global is the same object.
 */
export default process;
