/**
 * URL of a sibling module that is started as a worker or a child process. Sources run as `.ts`, the build as `.js`:
 * the extension follows the file that asks.
 */
export function siblingModule(importMetaUrl: string, relativePathWithoutExtension: string): URL {
  const extension = importMetaUrl.endsWith('.ts') ? '.ts' : '.js';
  return new URL(relativePathWithoutExtension + extension, importMetaUrl);
}
