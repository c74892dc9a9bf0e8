// Installs this checkout's npm dependencies when they are missing or differ from package-lock.json.
// Runs before anything is installed: Node >= 18, nothing but node: imports.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The Node that npm supplies (24), for everything that is started after the installation. */
export const suppliedNode = path.join(
  root,
  'node_modules/node/bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);

/** True when every package of package-lock.json stands in node_modules in that version. */
export function dependenciesAreInstalled() {
  const installed = readPackages(path.join(root, 'node_modules/.package-lock.json'));
  const wanted = readPackages(path.join(root, 'package-lock.json'));
  if (!installed || !wanted) return false;
  return Object.entries(wanted).every(
    ([name, entry]) => name === '' || entry.optional || installed[name]?.version === entry.version,
  );
}

/**
 * Installs with `npm ci` into a fresh checkout and with `npm install` into a used one (which keeps what is there).
 * @returns {Promise<{ ok: boolean, output: string }>} what npm said
 */
export async function installDependencies() {
  const fresh = !existsSync(path.join(root, 'node_modules'));
  return await runQuietly(npmCommand(), [fresh ? 'ci' : 'install', '--no-audit', '--no-fund', '--loglevel=error'], {
    // The CUDA libraries of onnxruntime-node are a download of some 200 MB from a place that is not the npm registry.
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  });
}

/**
 * @param {string[]} command program and its first arguments
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Promise<{ ok: boolean, code: number, output: string }>}
 */
export function runQuietly(command, args, env = {}) {
  return new Promise((resolve) => {
    const [program, ...first] = command;
    const child = spawn(program, [...first, ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && first.length === 0,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
      });
    }
    child.on('error', (error) => resolve({ ok: false, code: 1, output: error.message }));
    child.on('close', (code) => resolve({ ok: code === 0, code: code ?? 1, output }));
  });
}

/** `npm run` names the npm it belongs to; another npm on the PATH may be older. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script && /\.c?js$/.test(script) && existsSync(script) ? [process.execPath, script] : ['npm'];
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
