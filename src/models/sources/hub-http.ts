import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DiaristError } from '../../core/errors.ts';
import type { HubRepository } from '../catalogue/entry.ts';
import { requireSpace } from '../disk-space.ts';
import { download, networkError } from '../download.ts';
import { gitBlobId, sha256OfFile } from '../hashing.ts';
import { whisperFilesAmong } from '../model-files.ts';
import type { FetchContext, FetchedModel, ModelPlan, NetworkSource, StoredFile } from './source.ts';

const PUBLIC_ENDPOINT = 'https://huggingface.co';
const LISTING_TIMEOUT_MS = 20_000;
const TRUE_VALUES: ReadonlySet<string> = new Set(['1', 'ON', 'YES', 'TRUE']);

/** A file of a repository, as the hub describes it. */
interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of a large file, which the hub keeps in LFS. */
  readonly sha256?: string;
  /** Git's object id of a small one. */
  readonly blobId?: string;
}

interface Listing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * Hugging Face over HTTPS. Honours HF_ENDPOINT, HF_TOKEN (or the token file that its own tools keep) and
 * HF_HUB_OFFLINE. Every file is checked against the SHA-256 that the hub states, small ones against their git id.
 */
export class HuggingFaceHub implements NetworkSource {
  readonly id = 'huggingface';
  readonly label = 'Hugging Face';
  readonly #env: NodeJS.ProcessEnv;
  /** Set once the hub could not be reached: the next model need not wait for that again. */
  #unreachable: DiaristError | null = null;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  unavailable(plan: ModelPlan): string | null {
    if (plan.hub === undefined) return 'it does not have this model';
    if (TRUE_VALUES.has((this.#env.HF_HUB_OFFLINE ?? '').toUpperCase())) return 'HF_HUB_OFFLINE is set';
    if (plan.hub.gated === true && this.#token() === undefined) {
      return `it gives ${plan.hub.repo} only to people who accept its conditions (set HF_TOKEN)`;
    }
    return null;
  }

  async fetch(plan: ModelPlan, context: FetchContext): Promise<FetchedModel> {
    if (plan.hub === undefined) throw new DiaristError('internal', `${plan.name} has no repository.`);
    if (this.#unreachable !== null) throw this.#unreachable;
    const hub = plan.hub;
    const listing = await this.#list(hub, context.signal);
    const wanted = wantedFiles(plan, listing);
    const total = wanted.reduce((sum, file) => sum + file.bytes, 0);
    const dir = join(context.dir, listing.commit);
    await mkdir(dir, { recursive: true });
    const present = await bytesPresent(dir, wanted);
    await requireSpace(dir, total - present, `Fetching ${plan.name}`);

    // What an earlier attempt left counts from the start, and is not counted down while it is looked at again.
    let shown = Math.min(present, total);
    const report = (received: number): void => {
      shown = Math.max(shown, received);
      context.onProgress(shown, total);
    };
    report(shown);
    const files: StoredFile[] = [];
    let done = 0;
    for (const file of wanted) {
      const before = done;
      files.push(
        await this.#fetchFile(hub, listing.commit, file, dir, context.signal, (received) => report(before + received)),
      );
      done += file.bytes;
      report(done);
    }
    return { dir, files, origin: `${this.id}:${hub.repo}@${listing.commit}` };
  }

  #endpoint(): string {
    return (this.#env.HF_ENDPOINT || PUBLIC_ENDPOINT).replace(/\/+$/, '');
  }

  #token(): string | undefined {
    const stated = this.#env.HF_TOKEN || this.#env.HUGGING_FACE_HUB_TOKEN;
    if (stated) return stated.trim();
    const home =
      this.#env.HF_HOME || join(this.#env.XDG_CACHE_HOME || join(this.#env.HOME || homedir(), '.cache'), 'huggingface');
    try {
      return readFileSync(this.#env.HF_TOKEN_PATH || join(home, 'token'), 'utf8').trim() || undefined;
    } catch {
      return undefined;
    }
  }

  #headers(): Record<string, string> {
    const token = this.#token();
    return { 'user-agent': 'diarist', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  }

  async #list(hub: HubRepository, signal: AbortSignal | undefined): Promise<Listing> {
    const url = `${this.#endpoint()}/api/models/${hub.repo}/revision/${encodeURIComponent(hub.revision)}?blobs=true`;
    const timeout = AbortSignal.timeout(LISTING_TIMEOUT_MS);
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(url, {
        headers: this.#headers(),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      body = response.ok ? await response.json() : await response.body?.cancel();
    } catch (error) {
      signal?.throwIfAborted();
      this.#unreachable = networkError(url, error);
      throw this.#unreachable;
    }
    if (!response.ok) throw this.#refusal(hub, response) ?? networkError(url, `it answered ${response.status}`);
    return parseListing(body, hub.repo);
  }

  async #fetchFile(
    hub: HubRepository,
    commit: string,
    file: HubFile,
    dir: string,
    signal: AbortSignal | undefined,
    onProgress: (received: number) => void,
  ): Promise<StoredFile> {
    const target = join(dir, file.path);
    const part = `${target}.part`;
    const kept = await checkFile(target, file, signal);
    if (kept !== null) return kept;
    await rm(target, { force: true });
    // Bytes that arrived wrong are fetched once more in full; twice wrong is not an accident.
    for (const lastTry of [false, true]) {
      let linked: string | null = null;
      await download({
        url: `${this.#endpoint()}/${hub.repo}/resolve/${commit}/${file.path}`,
        headers: this.#headers(),
        target: part,
        bytes: file.bytes,
        onProgress,
        refuse: (response) => this.#refusal(hub, response),
        onFirstResponse: (response) => {
          linked = sha256Etag(response) ?? linked;
        },
        ...(signal && { signal }),
      });
      const expected = file.sha256 === undefined && linked !== null ? { ...file, sha256: linked } : file;
      const stored = await checkFile(part, expected, signal);
      if (stored !== null) {
        await rename(part, target);
        return { ...stored, path: file.path };
      }
      await rm(part, { force: true });
      if (lastTry) break;
    }
    throw new DiaristError(
      'model_corrupt',
      `${file.path} of ${hub.repo} arrived with other bytes than Hugging Face states for it, twice; try again later, or from another network.`,
    );
  }

  /** What an HTTP refusal means; null where it may pass. */
  #refusal(hub: HubRepository, response: Response): DiaristError | null {
    const { status } = response;
    const code = response.headers.get('x-error-code');
    if (code === 'GatedRepo' || status === 403) {
      return new DiaristError(
        'model_missing',
        `Hugging Face does not give ${hub.repo} to this account: accept its conditions on ${this.#endpoint()}/${hub.repo} and set HF_TOKEN.`,
      );
    }
    if (status === 404 || code === 'RepoNotFound' || code === 'RevisionNotFound') {
      return new DiaristError(
        'model_missing',
        `Hugging Face has no model ${hub.repo} (${hub.revision}); check the name.`,
      );
    }
    if (status === 401) {
      return new DiaristError(
        'model_missing',
        `Hugging Face wants a valid token for ${hub.repo}, or there is no such model: check the name and set HF_TOKEN.`,
      );
    }
    if (status === 408 || status === 429 || status >= 500) return null;
    return new DiaristError('network', `Hugging Face refuses to give ${hub.repo} (HTTP ${status}).`);
  }
}

interface RawSibling {
  readonly rfilename: string;
  readonly size?: number;
  readonly blobId?: string;
  readonly lfs?: { readonly sha256?: string; readonly size?: number };
}

function parseListing(body: unknown, repo: string): Listing {
  const { sha, siblings } = body as { sha?: unknown; siblings?: readonly RawSibling[] };
  if (typeof sha !== 'string' || !/^[0-9a-f]{40,64}$/.test(sha) || !Array.isArray(siblings)) {
    throw new DiaristError('network', `Hugging Face describes ${repo} in a way that is not understood.`);
  }
  const files = (siblings as readonly RawSibling[]).flatMap((sibling) => {
    const bytes = sibling.lfs?.size ?? sibling.size;
    if (typeof sibling.rfilename !== 'string' || typeof bytes !== 'number') return [];
    const sha256 = sibling.lfs?.sha256;
    return [
      {
        path: sibling.rfilename,
        bytes,
        ...(sha256 !== undefined ? { sha256 } : sibling.blobId !== undefined && { blobId: sibling.blobId }),
      },
    ];
  });
  return { commit: sha, files };
}

/** The files to fetch; pinned ones must be there with the pinned bytes. */
function wantedFiles(plan: ModelPlan, listing: Listing): readonly HubFile[] {
  const repo = plan.hub?.repo ?? plan.name;
  const names = listing.files.map((file) => file.path);
  const wanted = plan.role === 'whisper' ? whisperFilesAmong(names)?.files : plan.pinned.map((file) => file.path);
  if (wanted === undefined) {
    throw new DiaristError(
      'model_unsupported',
      `${repo} holds no weights that can be read; give a Whisper model in CTranslate2, safetensors or torch format.`,
    );
  }
  for (const pin of plan.pinned) {
    const file = listing.files.find((candidate) => candidate.path === pin.path);
    if (file !== undefined && file.bytes === pin.bytes && (file.sha256 ?? pin.sha256) === pin.sha256) continue;
    throw new DiaristError('model_corrupt', `${repo} no longer has the ${pin.path} that ${plan.name} is known by.`);
  }
  return listing.files.filter((file) => wanted.includes(file.path));
}

async function bytesPresent(dir: string, files: readonly HubFile[]): Promise<number> {
  let sum = 0;
  for (const file of files) {
    for (const path of [join(dir, file.path), join(dir, `${file.path}.part`)]) {
      sum += await stat(path).then(
        (found) => found.size,
        () => 0,
      );
    }
  }
  return sum;
}

/** The file as it is stored, where it has the bytes it should; else null. */
async function checkFile(path: string, file: HubFile, signal: AbortSignal | undefined): Promise<StoredFile | null> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size !== file.bytes) return null;
  const sha256 = await sha256OfFile(path, signal);
  if (file.sha256 !== undefined && file.sha256 !== sha256) return null;
  if (file.sha256 === undefined && file.blobId !== undefined && file.blobId !== (await gitBlobId(path, signal))) {
    return null;
  }
  return { path: file.path, bytes: file.bytes, sha256 };
}

/** The hub names a large file's SHA-256 in `x-linked-etag`, on the answer before its redirection to storage. */
function sha256Etag(response: Response): string | null {
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1] ?? null;
}
