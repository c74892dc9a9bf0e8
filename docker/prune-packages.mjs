// Removes from an installed node_modules what an image never uses: the onnxruntime binaries of other platforms (the npm
// package carries those of every system) and the source maps of all packages. Type declarations stay, for the compiler.
import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

const [nodeModules] = process.argv.slice(2);
if (nodeModules === undefined) throw new Error('usage: prune-packages.mjs NODE_MODULES');

const binariesBytes = pruneOnnxruntime(path.join(nodeModules, 'onnxruntime-node/bin'));
const mapsBytes = remove(filesBelow(nodeModules).filter((file) => file.endsWith('.map')));
console.log(
  `Removed onnxruntime binaries of other platforms (${megabytes(binariesBytes)}) and source maps (${megabytes(mapsBytes)}).`,
);

/** @param {string} folder `bin` of the package: `napi-vN/PLATFORM/ARCHITECTURE/…` */
function pruneOnnxruntime(folder) {
  const mine = `${path.sep}${process.platform}${path.sep}${process.arch}${path.sep}`;
  const files = filesBelow(folder);
  const others = files.filter((file) => !file.includes(mine));
  if (others.length === files.length)
    throw new Error(`onnxruntime-node has no binaries for ${process.platform} ${process.arch}.`);
  return remove(others);
}

/** @param {string} folder */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** @param {string[]} files @returns {number} the bytes that they had */
function remove(files) {
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  for (const file of files) rmSync(file);
  return bytes;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
