import { constants } from 'node:fs';
import { copyFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DiaristError, toDiaristError } from '../core/errors.ts';
import type { CatalogueEntry } from './catalogue/entry.ts';
import { CATALOGUE, catalogueEntry } from './catalogue.ts';
import { requireSpace } from './disk-space.ts';
import { HashMemory, sha256OfFile } from './hashing.ts';
import { acquireLock, type LockHolder } from './lock.ts';
import { type Manifest, type ManifestFacts, modelOf, writeManifest } from './manifest.ts';
import { whisperFilesAmong } from './model-files.ts';
import { type ModelReference, parseReference, unknownModel } from './reference.ts';
import { findInHubCache } from './sources/hub-cache.ts';
import { HuggingFaceHub } from './sources/hub-http.ts';
import { resolveLocalPath } from './sources/local-path.ts';
import { type Holding, OwnStore } from './sources/own-store.ts';
import { PythonIndex } from './sources/python-index.ts';
import type { FetchedModel, ModelPlan, NetworkSource, StoredFile } from './sources/source.ts';
import type { ModelRole, ResolvedModel } from './types.ts';
import { type VerifyReport, verifyModel } from './verify.ts';

export interface FetchProgress {
  /** Name of the model. */
  readonly model: string;
  /** What people call the place that it comes from. */
  readonly source: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface EnsureOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** Called when another process fetches the same model, and this one waits for it. */
  readonly onWait?: (holder: LockHolder) => void;
  /** Use what is on disk and nothing else. */
  readonly offline?: boolean;
}

export interface ModelListing {
  readonly name: string;
  readonly role: ModelRole;
  readonly licence: string;
  readonly description: string;
  /** On disk where it is there, else as published. */
  readonly bytes: number;
  readonly aliases: readonly string[];
  /** Where it stands; null where it would have to be fetched. */
  readonly dir: string | null;
  readonly origin: string | null;
}

const IMPORT_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;
const HUB_KEY_PREFIX = 'hub--';

/**
 * The models of this machine: finds them wherever they lie (own store, `DIARIST_SHARED_CACHE`, Hugging Face cache, a
 * path), fetches what is missing, and keeps what it fetched under `CACHE/models`. The shared cache is a folder of the same
 * layout that is only read: on a network drive, or in the image of a container. A reference is a catalogue name or alias, the name of an
 * imported model, `hub:org/name[@revision]`, or a path.
 */
export class ModelStore {
  readonly #own: OwnStore;
  readonly #shared: OwnStore | undefined;
  readonly #env: NodeJS.ProcessEnv;
  readonly #hashes: HashMemory;
  readonly #sources: readonly NetworkSource[];

  constructor(options: { readonly cacheDir: string; readonly env?: Readonly<NodeJS.ProcessEnv> }) {
    this.#own = new OwnStore(options.cacheDir);
    this.#env = options.env ?? process.env;
    const sharedDir = this.#env.DIARIST_SHARED_CACHE;
    this.#shared = sharedDir ? new OwnStore(sharedDir) : undefined;
    this.#hashes = new HashMemory(this.#own.hashFolder());
    this.#sources = [new HuggingFaceHub(this.#env), new PythonIndex(this.#env)];
  }

  /**
   * The model if it is on this machine, else null; never touches the network. Throws `unknown_model` with suggestions,
   * `model_unsupported` or `model_corrupt` for a path that holds no usable model.
   */
  async find(reference: string): Promise<ResolvedModel | null> {
    const parsed = parseReference(reference);
    if (parsed.kind === 'path') return (await resolveLocalPath(parsed.path, this.#hashes)).model;
    return this.#findPlan(await this.#planOf(parsed));
  }

  /**
   * The model, fetched from the first source that has it where it is not on this machine. An interrupted fetch goes on
   * where it stopped; two processes never fetch the same model at once. Throws DiaristError.
   */
  async ensure(reference: string, options: EnsureOptions = {}): Promise<ResolvedModel> {
    const parsed = parseReference(reference);
    if (parsed.kind === 'path') return (await resolveLocalPath(parsed.path, this.#hashes, options.signal)).model;
    const plan = await this.#planOf(parsed);
    const found = await this.#findPlan(plan);
    if (found !== null) return found;
    if (options.offline === true) throw await this.#notHere(plan);
    try {
      await using _lock = await acquireLock(this.#own.lockFile(plan.key), options);
      // Whoever held the lock before has fetched it meanwhile.
      return (await this.#findPlan(plan)) ?? (await this.#fetch(plan, options));
    } catch (error) {
      throw toDiaristError(error);
    }
  }

  /** Every model of the catalogue and every other one in the store. */
  async list(): Promise<readonly ModelListing[]> {
    const listings: ModelListing[] = [];
    for (const entry of CATALOGUE) {
      const plan = planOfEntry(entry);
      const holding = await this.#holding(plan.key);
      const found = await this.#findPlan(plan);
      const own = holding.state === 'whole' ? holding.manifest : null;
      listings.push({
        name: entry.name,
        role: entry.role,
        licence: entry.licence,
        description: entry.description,
        aliases: entry.aliases,
        bytes: own === null ? entry.bytes : totalBytes(own),
        dir: found?.dir ?? null,
        origin: own?.origin ?? (found === null ? null : 'Hugging Face cache'),
      });
    }
    for (const key of await this.#keys()) {
      const holding = await this.#holding(key);
      if (catalogueEntry(key) !== undefined || holding.state !== 'whole') continue;
      const { name, role, licence, origin } = holding.manifest;
      const facts = { name, role, licence, origin, description: '', aliases: [] };
      listings.push({ ...facts, bytes: totalBytes(holding.manifest), dir: holding.model.dir });
    }
    return listings;
  }

  /** Reads every byte of a model on this machine and compares it with what is known. Throws `model_missing`. */
  async verify(reference: string, signal?: AbortSignal): Promise<VerifyReport> {
    const parsed = parseReference(reference);
    if (parsed.kind === 'path') {
      const { model, files } = await resolveLocalPath(parsed.path, this.#hashes, signal);
      return verifyModel(
        model,
        files.map((path) => ({ path })),
        signal,
      );
    }
    const plan = await this.#planOf(parsed);
    const holding = await this.#holding(plan.key);
    if (holding.state === 'damaged')
      return { name: plan.name, dir: this.#own.folder(plan.key), problems: [holding.problem] };
    if (holding.state === 'whole') return verifyModel(holding.model, holding.manifest.files, signal);
    const found = await this.#findPlan(plan);
    if (found === null) throw await this.#notHere(plan);
    return verifyModel(found, plan.pinned.length > 0 ? plan.pinned : [{ path: basename(found.weights) }], signal);
  }

  /** Removes a model from the store. Throws `model_missing` where the store does not hold it. */
  async remove(reference: string): Promise<void> {
    const parsed = parseReference(reference);
    if (parsed.kind === 'path') {
      throw new DiaristError('usage', `${reference} is not in the store; remove the files yourself.`);
    }
    const plan = await this.#planOf(parsed);
    await using _lock = await acquireLock(this.#own.lockFile(plan.key));
    if (await this.#own.remove(plan.key)) return;
    const elsewhere = await this.#findPlan(plan);
    if (elsewhere === null) throw new DiaristError('model_missing', `${plan.name} is not on this machine.`);
    throw new DiaristError(
      'usage',
      `${plan.name} belongs to another program's cache; remove ${elsewhere.dir} yourself.`,
    );
  }

  /** Folder of a model on this machine. Throws `model_missing`. */
  async path(reference: string): Promise<string> {
    return (await this.ensure(reference, { offline: true })).dir;
  }

  /**
   * Copies a model from a folder or file into the store, under `name` or the folder's own. Under a name of the catalogue
   * it must have that model's bytes, where they are known. Throws DiaristError.
   */
  async import(
    path: string,
    options: { readonly name?: string; readonly signal?: AbortSignal } = {},
  ): Promise<ResolvedModel> {
    const { model, files } = await resolveLocalPath(path, this.#hashes, options.signal);
    const plan = importPlan(model, options.name ?? basename(path));
    await using _lock = await acquireLock(this.#own.lockFile(plan.key), options);
    const staging = join(this.#own.partialFolder(plan.key), 'import');
    await rm(staging, { recursive: true, force: true });
    const wanted = [...new Set([...files, ...plan.pinned.map((file) => file.path)])];
    const sizes = await Promise.all(wanted.map((file) => fileBytes(join(model.dir, file), plan)));
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    await requireSpace(staging, total, `Importing ${plan.name}`);
    try {
      const stored: StoredFile[] = [];
      for (const [index, file] of wanted.entries()) {
        const target = join(staging, file);
        await copyFile(join(model.dir, file), target, constants.COPYFILE_FICLONE);
        stored.push({ path: file, bytes: sizes[index] ?? 0, sha256: await sha256OfFile(target, options.signal) });
      }
      return await this.#install(plan, { dir: staging, files: stored, origin: 'import' });
    } finally {
      await rm(this.#own.partialFolder(plan.key), { recursive: true, force: true });
    }
  }

  async #planOf(parsed: Exclude<ModelReference, { kind: 'path' }>): Promise<ModelPlan> {
    if (parsed.kind === 'catalogue') return planOfEntry(parsed.entry);
    if (parsed.kind === 'hub') return planOfHub(parsed.repo, parsed.revision);
    const keys = await this.#keys();
    if (keys.includes(parsed.name)) {
      return { key: parsed.name, name: parsed.name, role: 'whisper', licence: 'unknown', pinned: [] };
    }
    throw unknownModel(
      parsed.name,
      keys.filter((key) => !key.startsWith(HUB_KEY_PREFIX)),
    );
  }

  async #findPlan(plan: ModelPlan): Promise<ResolvedModel | null> {
    const holding = await this.#holding(plan.key);
    if (holding.state === 'whole') return holding.model;
    return findInHubCache(plan, this.#env, this.#hashes);
  }

  /** What the own store holds, unless only the shared one has it whole. */
  async #holding(key: string): Promise<Holding> {
    const own = await this.#own.holding(key);
    if (own.state === 'whole' || this.#shared === undefined) return own;
    const shared = await this.#shared.holding(key);
    return shared.state === 'whole' ? shared : own;
  }

  async #keys(): Promise<readonly string[]> {
    const shared = (await this.#shared?.keys()) ?? [];
    return [...new Set([...(await this.#own.keys()), ...shared])];
  }

  async #notHere(plan: ModelPlan): Promise<DiaristError> {
    const holding = await this.#own.holding(plan.key);
    const name = plan.hub !== undefined && plan.key.startsWith(HUB_KEY_PREFIX) ? `hub:${plan.hub.repo}` : plan.name;
    if (holding.state !== 'damaged') {
      return new DiaristError(
        'model_missing',
        `The model ${name} is not on this machine: run "diarist models pull ${name}".`,
      );
    }
    return new DiaristError(
      'model_corrupt',
      `The model ${name} in ${this.#own.folder(plan.key)} is damaged (${holding.problem}): run "diarist models pull ${name}".`,
    );
  }

  async #fetch(plan: ModelPlan, options: EnsureOptions): Promise<ResolvedModel> {
    const failures: { source: NetworkSource; error: DiaristError }[] = [];
    const refusals: string[] = [];
    for (const source of this.#sources) {
      const reason = source.unavailable(plan);
      if (reason !== null) {
        refusals.push(`${source.label}: ${reason}`);
        continue;
      }
      try {
        const fetched = await source.fetch(plan, {
          dir: join(this.#own.partialFolder(plan.key), source.id),
          onProgress: (receivedBytes, totalBytes) =>
            options.onProgress?.({ model: plan.name, source: source.label, receivedBytes, totalBytes }),
          ...(options.signal && { signal: options.signal }),
        });
        return await this.#install(plan, fetched);
      } catch (error) {
        const failure = toDiaristError(error);
        if (failure.code === 'cancelled' || failure.code === 'disk_full' || failure.code === 'internal') throw failure;
        failures.push({ source, error: failure });
      }
    }
    throw fetchFailure(plan, failures, refusals);
  }

  /** Checks that the fetched files are a model that can be used, and puts them in place. */
  async #install(plan: ModelPlan, fetched: FetchedModel): Promise<ResolvedModel> {
    const facts = manifestFacts(plan, fetched);
    const manifest = await writeManifest(fetched.dir, facts);
    const report = await verifyModel(modelOf(fetched.dir, manifest), []);
    if (report.error !== undefined) {
      await rm(this.#own.partialFolder(plan.key), { recursive: true, force: true });
      throw report.error;
    }
    await this.#own.adopt(plan.key, fetched.dir);
    return modelOf(this.#own.folder(plan.key), manifest);
  }
}

function planOfEntry(entry: CatalogueEntry): ModelPlan {
  const { name, role, licence, format, weights, bytes, files, hub, python } = entry;
  return {
    ...{ key: name, name, role, licence, format, weights, bytes, pinned: files },
    ...(hub && { hub }),
    ...(python && { python }),
  };
}

function planOfHub(repo: string, revision: string): ModelPlan {
  const suffix = revision === 'main' ? '' : `@${revision.replaceAll('/', '-')}`;
  return {
    key: `${HUB_KEY_PREFIX}${repo.replaceAll('/', '--')}${suffix}`,
    name: `hub:${repo}${revision === 'main' ? '' : `@${revision}`}`,
    role: 'whisper',
    licence: 'unknown',
    pinned: [],
    hub: { repo, revision },
  };
}

function importPlan(model: ResolvedModel, name: string): ModelPlan {
  const entry = catalogueEntry(name);
  if (entry === undefined) {
    if (!IMPORT_NAME.test(name) || name.startsWith(HUB_KEY_PREFIX)) {
      throw new DiaristError(
        'usage',
        `"${name}" cannot be a model's name: use letters, digits and . _ - only (--name).`,
      );
    }
    const { role, licence, format } = model;
    return { key: name, name, role, licence, format, weights: basename(model.weights), pinned: [] };
  }
  const pinned = entry.files.find((file) => file.path === entry.weights);
  if (entry.role !== model.role || (pinned !== undefined && pinned.sha256 !== model.weightHash)) {
    throw new DiaristError(
      'usage',
      `${model.dir} does not hold the bytes that ${entry.name} is known by; import it under another name (--name).`,
    );
  }
  return { ...planOfEntry(entry), format: model.format, weights: basename(model.weights) };
}

async function fileBytes(path: string, plan: ModelPlan): Promise<number> {
  const found = await stat(path).catch(() => null);
  if (found !== null) return found.size;
  throw new DiaristError(
    'model_missing',
    `${path} is missing, which ${plan.name} needs; copy it there and import again.`,
  );
}

function manifestFacts(plan: ModelPlan, fetched: FetchedModel): ManifestFacts {
  const { name, role, licence } = plan;
  const { files, origin } = fetched;
  const among = whisperFilesAmong(files.map((file) => file.path));
  const weights = plan.weights ?? among?.weights;
  const format = plan.format ?? among?.format;
  if (weights === undefined || format === undefined) {
    throw new DiaristError('model_unsupported', `${name} holds no weights that can be read.`);
  }
  return { name, role, licence, format, weights, origin, files };
}

const totalBytes = (manifest: Manifest): number => manifest.files.reduce((sum, file) => sum + file.bytes, 0);

function fetchFailure(
  plan: ModelPlan,
  failures: readonly { source: NetworkSource; error: DiaristError }[],
  refusals: readonly string[],
): DiaristError {
  const [first] = failures;
  if (first !== undefined && failures.length === 1 && plan.python === undefined) return first.error;
  const reasons = [...failures.map(({ source, error }) => `${source.label}: ${fact(error.message)}`), ...refusals];
  const code = first?.error.code ?? 'model_missing';
  return new DiaristError(
    code,
    `The model ${plan.name} could not be fetched (${reasons.join('; ')}); check the network, or bring it from another machine with "diarist models import".`,
    { cause: first?.error },
  );
}

/** The first half of an error's sentence: what happened, without the advice that follows. */
const fact = (message: string): string => (message.split(/; |: check /)[0] ?? message).replace(/\.$/, '');
