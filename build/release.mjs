import { readFileSync } from 'node:fs';

/*
 * What must fit before a version is published, `node build/release.mjs` in the workflow of releases: npm refuses provenance
 * for a package that says it comes from another repository, and a version can be published once only.
 */

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const { version, repository, homepage, bugs } = JSON.parse(read('package.json'));
const { GITHUB_REF_NAME: tag = '', GITHUB_REPOSITORY: name = '' } = process.env;
const page = `https://github.com/${name}`;

const checks = [
  [tag === `v${version}`, `the tag is ${tag}, and package.json has the version ${version}`, `tag it v${version}`],
  [
    repository.url === `git+${page}.git` && homepage === `${page}#readme` && bugs === `${page}/issues`,
    `package.json does not say that its repository is ${name}`,
    'replace the owner in repository, homepage and bugs, there and nowhere else',
  ],
  [
    read('CHANGELOG.md').includes(`\n## ${version}\n`),
    `CHANGELOG.md has no section for ${version}`,
    'say there what users notice',
  ],
];

const wrong = checks.filter(([fits]) => !fits);
for (const [, error, hint] of wrong) process.stderr.write(`error: ${error}\nhint: ${hint}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
