import { once } from 'node:events';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { AudioSpool, SpoolWriter } from './spool.ts';
import { clipFolder } from './test-clips.ts';

const folder = clipFolder();
afterAll(() => folder[Symbol.dispose]());
const ramp = Int16Array.from({ length: 5000 }, (_, i) => i * 13 - 32_000);

async function written(name: string): Promise<string> {
  const writer = await SpoolWriter.create(folder.file(name));
  await writer.append(ramp.subarray(0, 1234));
  await writer.append(ramp.subarray(1234));
  expect(writer.samples).toBe(5000);
  await writer.close();
  return writer.path;
}

it('gives any range back in [-1, 1), zeros outside the recording', async () => {
  using spool = AudioSpool.open(await written('range'));
  expect(spool.samples).toBe(5000);
  const target = new Float32Array(4000);
  fc.assert(
    fc.property(
      fc.integer({ min: -3000, max: 6000 }),
      fc.integer({ min: 0, max: 4000 }),
      fc.boolean(),
      (start, count, reuse) => {
        const samples = reuse ? spool.read(start, count, target.fill(7)) : spool.read(start, count);
        expect(samples.length).toBe(count);
        expect(samples.every((value, i) => value === (ramp[start + i] ?? 0) / 32_768)).toBe(true);
      },
    ),
  );
  expect(() => spool.read(0, 4001, target)).toThrow(RangeError);
});

it('can be read by another thread while it grows', async () => {
  const writer = await SpoolWriter.create(folder.file('growing'));
  await writer.append(ramp);
  const code = `
    import { AudioSpool } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'spool.ts')).href)};
    import { parentPort, workerData } from 'node:worker_threads';
    const spool = AudioSpool.open(workerData);
    parentPort.on('message', () => parentPort.postMessage([spool.samples, spool.read(spool.samples - 1, 1)[0]]));
    parentPort.postMessage('ready');`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: writer.path });
  try {
    await once(worker, 'message');
    for (const expected of [5000, 10_000]) {
      worker.postMessage('look');
      const [seen] = await once(worker, 'message');
      expect(seen).toEqual([expected, ramp[4999]! / 32_768]);
      await writer.append(ramp);
    }
  } finally {
    await worker.terminate();
    await writer.discard();
  }
  expect(existsSync(writer.path)).toBe(false);
});

it.skipIf(!existsSync('/dev/full'))('says that the disk is full, and leaves a device where it is', async () => {
  const link = folder.file('full');
  symlinkSync('/dev/full', link);
  const writer = await SpoolWriter.create(link);
  await expect(writer.append(ramp)).rejects.toMatchObject({ code: 'disk_full' });
  await writer.discard();
  expect(existsSync('/dev/full')).toBe(true);
});

it('says which file is missing', () => {
  expect(() => AudioSpool.open(folder.file('nothing'))).toThrow(expect.objectContaining({ code: 'input_unreadable' }));
});

it('refuses to read once it is closed', async () => {
  const spool = AudioSpool.open(await written('closed'));
  spool.close();
  spool.close();
  expect(() => spool.read(0, 1)).toThrow(/after close/);
});
