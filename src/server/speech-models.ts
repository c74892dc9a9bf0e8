import { stat } from 'node:fs/promises';
import { DiaristError } from '../core/errors.ts';
import type { ModelListing, ModelStore } from '../models/store.ts';
import type { SpeechModel, SpeechModels } from './types.ts';

/** Names that clients of OpenAI insist on; each means the server's own model. */
const OPENAI_NAMES: readonly string[] = [
  'whisper-1',
  'gpt-4o-transcribe',
  'gpt-4o-mini-transcribe',
  'gpt-4o-mini-transcribe-2025-12-15',
  'gpt-4o-transcribe-diarize',
  'gpt-transcribe',
];

/** Looking through the disk for models takes milliseconds: a burst of requests does it once. */
const LISTING_AGE_MS = 5000;

interface Known {
  /** Engine's names by what clients may say, in small letters. */
  readonly byName: ReadonlyMap<string, string>;
  readonly models: readonly SpeechModel[];
}

/** The recognition models of this machine, under every name that a client may use. */
export class InstalledSpeechModels implements SpeechModels {
  readonly #store: ModelStore;
  readonly #defaultModel: string;
  #known: Promise<Known> | undefined;
  #readAt = 0;

  constructor(store: ModelStore, defaultModel: string) {
    this.#store = store;
    this.#defaultModel = defaultModel;
  }

  async list(): Promise<readonly SpeechModel[]> {
    return (await this.#current()).models;
  }

  async resolve(id: string | undefined): Promise<string> {
    const wanted = id?.trim() ?? '';
    if (wanted === '' || wanted === this.#defaultModel || OPENAI_NAMES.includes(wanted.toLowerCase())) {
      return this.#defaultModel;
    }
    const known = await this.#current();
    const model = known.byName.get(wanted.toLowerCase());
    if (model !== undefined) return model;
    const names = known.models.map((one) => one.id).join(', ');
    throw new DiaristError('unknown_model', `This server has no model "${wanted}": use one of ${names}.`, {
      param: 'model',
    });
  }

  #current(): Promise<Known> {
    const now = performance.now();
    if (this.#known === undefined || now - this.#readAt > LISTING_AGE_MS) {
      this.#readAt = now;
      this.#known = this.#read();
      // A failure is told to whoever waits for it, and not remembered.
      this.#known.catch(() => {
        this.#known = undefined;
      });
    }
    return this.#known;
  }

  async #read(): Promise<Known> {
    const listings = (await this.#store.list()).filter((one) => one.role === 'whisper' && one.dir !== null);
    const byName = new Map<string, string>();
    for (const { name, aliases } of listings) {
      for (const one of [...aliases, name]) byName.set(one.toLowerCase(), name);
    }
    const installed = await Promise.all(listings.map(toSpeechModel));
    const own =
      installed.find((one) => one.model === this.#defaultModel) ??
      ({ id: this.#defaultModel, model: this.#defaultModel, ownedBy: 'diarist', created: 0, present: false } as const);
    const others = installed.filter((one) => one !== own);
    const aliases = OPENAI_NAMES.map((id) => ({ ...own, id }));
    return { byName, models: [own, ...others, ...aliases] };
  }
}

async function toSpeechModel({ name, dir }: ModelListing): Promise<SpeechModel> {
  const created = dir === null ? 0 : Math.floor((await stat(dir)).mtimeMs / 1000);
  return { id: name, model: name, ownedBy: 'diarist', created, present: true };
}
