import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** Folder of the runtime's own libraries for this platform, as onnxruntime-node 1.x lays it out. */
function runtimeFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return resolve(entry, '../../bin/napi-v6', process.platform, process.arch);
}

/**
 * True where the CUDA provider is installed. It is not part of the package: where its download was left out, it is missing
 * or an empty file holds its place (docs/decisions/006). Throws nothing.
 */
export function isCudaLibraryInstalled(folder: string = runtimeFolder()): boolean {
  return ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'].every(
    (name) => (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > 0,
  );
}
