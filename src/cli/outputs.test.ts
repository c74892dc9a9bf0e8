import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inputName, resultNames, writeFiles } from './outputs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diarist-outputs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('resultNames', () => {
  it('drops the extension where that is enough to tell results apart, and says more where it is not', () => {
    expect(resultNames(['/x/talk.tar.mp3', 'other.wav', '-'])).toEqual(['talk.tar', 'other', 'stdin']);
    expect(resultNames(['a.wav', 'A.mp3', 'b.wav'])).toEqual(['a.wav', 'A.mp3', 'b']);
    expect(resultNames(['monday/a.wav', 'tuesday/a.wav'])).toEqual(['monday-a.wav', 'tuesday-a.wav']);
    expect(resultNames(['x/d/a.wav', 'y/d/a.wav'])).toEqual(['d-a.wav', 'd-a.wav-2']);
  });

  it('names what is fetched by the end of its address', () => {
    expect(inputName('https://example.org/talks/my%20talk.mp3?key=1')).toBe('my talk.mp3');
    expect(inputName('https://example.org/')).toBe('example.org');
    expect(resultNames(['https://example.org/a%2Fb.mp3'])).toEqual(['b']);
  });

  it('gives every input a name of its own that is a plain file name', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 8 }), (references) => {
        const names = resultNames(references).map((name) => name.toLowerCase());
        expect(new Set(names).size).toBe(references.length);
        for (const name of names) expect(name).toMatch(/^(?!\.{0,2}$)[^/\\\0]+$/);
      }),
    );
  });
});

describe('writeFiles', () => {
  it('leaves all files or none of them', async () => {
    writeFileSync(join(folder, 'old.json'), 'old');
    await writeFiles([
      { path: join(folder, 'old.json'), text: 'new' },
      { path: join(folder, 'b.srt'), text: 'b' },
    ]);
    expect(readFileSync(join(folder, 'old.json'), 'utf8')).toBe('new');
    await expect(
      writeFiles([
        { path: join(folder, 'old.json'), text: 'newest' },
        { path: join(folder, 'missing', 'c.srt'), text: 'c' },
      ]),
    ).rejects.toMatchObject({ code: 'output_unwritable' });
    expect(readFileSync(join(folder, 'old.json'), 'utf8')).toBe('new');
    expect(readdirSync(folder).sort()).toEqual(['b.srt', 'old.json']);
  });
});
