import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { decodeToSpool } from './decode.ts';
import { clipFolder, ffmpeg } from './test-clips.ts';

const folder = clipFolder();
afterAll(() => folder[Symbol.dispose]());

const bytes = Buffer.from(Int16Array.from({ length: 100_001 }, (_, i) => ((i * 7919) % 65_536) - 32_768).buffer);

function raw(name: string, content: Uint8Array): { path: string; format: 's16le' } {
  writeFileSync(folder.file(name), content);
  return { path: folder.file(name), format: 's16le' };
}

it('takes headerless samples as they are, but for an odd last byte', async () => {
  for (const [name, content] of [
    ['even', bytes],
    ['odd', Buffer.concat([bytes, Buffer.of(1)])],
  ] as const) {
    const audio = await decodeToSpool(raw(name, content), { spoolPath: folder.file(`${name}.spool`) });
    expect(audio).toMatchObject({ samples: 100_001, seconds: 100_001 / 16_000, warnings: [] });
    expect(readFileSync(audio.spoolPath).equals(bytes)).toBe(true);
  }
});

it('takes a header for samples too, where it is told to', async () => {
  const wav = ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', '-ar', '16000', folder.file('tone.wav'));
  const size = readFileSync(wav).length;
  const audio = await decodeToSpool({ path: wav, format: 's16le' }, { spoolPath: folder.file('tone.spool') });
  expect(audio.samples).toBe(Math.floor(size / 2));
});

it.each([
  ['nothing', Buffer.alloc(0)],
  ['half a sample', Buffer.of(1)],
])('refuses %s', async (name, content) => {
  const spoolPath = folder.file(`${name}.spool`);
  await expect(decodeToSpool(raw(name, content), { spoolPath })).rejects.toMatchObject({ code: 'input_empty' });
  expect(existsSync(spoolPath)).toBe(false);
});

it('refuses samples that last too long before it reads them', async () => {
  const spoolPath = folder.file('long.spool');
  const refused = decodeToSpool(raw('long', bytes), { spoolPath, maxSeconds: 6 });
  await expect(refused).rejects.toMatchObject({ code: 'input_too_large' });
});

it('stops reading where that is enough, and calls that no damage', async () => {
  const path = ffmpeg('-f', 'lavfi', '-i', 'sine=duration=600', folder.file('long.mp3'));
  let read = 0;
  const audio = await decodeToSpool(
    { path },
    {
      spoolPath: folder.file('beginning.spool'),
      onSamples: (chunk) => {
        read += chunk.length;
      },
      until: () => read >= 20 * 16_000,
    },
  );
  expect(audio.samples).toBe(read);
  expect(audio.seconds).toBeLessThan(300);
  expect(audio.warnings).toEqual([]);
});
