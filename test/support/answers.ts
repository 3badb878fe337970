import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false });
for (const name of ['report.schema.json', 'answers.schema.json']) {
  const url = new URL(`../../docs/${name}`, import.meta.url);
  // One refers to the other by its name, from where it was read.
  ajv.addSchema({ ...JSON.parse(readFileSync(url, 'utf8')), $id: url.href });
}

/** What docs/answers.schema.json has against calling this an answer of that kind. */
export const errorsIn = (value: unknown, kind: string): string[] => {
  const validate = ajv.getSchema(new URL(`../../docs/answers.schema.json#/$defs/${kind}`, import.meta.url).href);
  if (validate === undefined) throw new Error(`no schema for ${kind}`);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
};
