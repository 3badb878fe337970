/** Of this package; a test holds it against the manifest, which a bundled copy does not have beside it. */
export const VERSION = '0.1.0';
