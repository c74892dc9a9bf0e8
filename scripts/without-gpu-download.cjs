'use strict';
// npm runs this before the install scripts of our dependencies. That of onnxruntime-node downloads CUDA libraries (some
// 200 MB) on linux/x64 from a place that is not the npm registry, and fails the whole installation where only the
// registry can be reached. It leaves out files that are there already; so empty ones are put in their place. Asked for
// by name (ONNXRUNTIME_NODE_INSTALL or npm's --onnxruntime-node-install), the libraries are downloaded over them.
// See docs/decisions/006-no-gpu-download-by-default.md. Nothing is installed yet: no dependencies.

const fs = require('node:fs');
const path = require('node:path');

if (!process.env.ONNXRUNTIME_NODE_INSTALL && !process.env.npm_config_onnxruntime_node_install) {
  try {
    leaveOutGpuLibraries();
  } catch {
    // Another layout of the package: its own script decides.
  }
}

function leaveOutGpuLibraries() {
  const runtime = path.dirname(
    require.resolve('onnxruntime-node/package.json', { paths: [path.join(__dirname, '..')] }),
  );
  const metadata = require(path.join(runtime, 'script', 'install-metadata.js'));
  const platform = `${process.platform}/${process.arch}`;
  (metadata.requirements[platform] || []).forEach((name) => {
    Object.keys(metadata.manifests[`${platform}:${name}`] || {}).forEach((file) => {
      const target = path.normalize(path.join(runtime, 'bin', 'napi-v6', platform, file));
      if (!fs.existsSync(target)) fs.writeFileSync(target, '');
    });
  });
}
