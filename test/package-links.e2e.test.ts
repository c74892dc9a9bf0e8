import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { repositoryRoot } from './program.ts';

/** What a package made now would hold, but for what the build adds. */
function packedFiles(): string[] {
  const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [pack] = JSON.parse(listing) as [{ files: { path: string }[] }];
  return pack.files.map((file) => file.path);
}

it('holds every file that its documentation links to', () => {
  const files = packedFiles();
  const documents = files.filter((file) => file.endsWith('.md'));
  expect(documents).toContain('README.md');
  const dead: string[] = [];
  for (const document of documents) {
    const text = readFileSync(path.join(repositoryRoot, document), 'utf8');
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = path.posix.join(path.posix.dirname(document), link).replace(/\/$/, '');
      const held = files.some((file) => file === target || file.startsWith(`${target}/`));
      if (!held) dead.push(`${document}: ${link}`);
    }
  }
  expect(dead).toEqual([]);
});
