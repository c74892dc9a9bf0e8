import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isCudaLibraryInstalled } from './cuda-library.ts';
import { scratchFolder } from './fixtures/scratch-folder.ts';

it('takes no empty file for a library', () => {
  using folder = scratchFolder();
  const write = (name: string, bytes: string) => writeFileSync(join(folder.path, name), bytes);
  expect(isCudaLibraryInstalled(folder.path)).toBe(false);
  write('libonnxruntime_providers_shared.so', '');
  write('libonnxruntime_providers_cuda.so', '');
  expect(isCudaLibraryInstalled(folder.path)).toBe(false);
  write('libonnxruntime_providers_shared.so', 'code');
  expect(isCudaLibraryInstalled(folder.path)).toBe(false);
  write('libonnxruntime_providers_cuda.so', 'code');
  expect(isCudaLibraryInstalled(folder.path)).toBe(true);
});
