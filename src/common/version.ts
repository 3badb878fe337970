/** This package's version; a test compares it with the manifest, which a bundled copy does not have next to it. */
export const VERSION = '0.1.0';
