import type { CatalogueEntry } from './catalogue/entry.ts';
import { SPEECH_MODELS } from './catalogue/speech.ts';
import { WHISPER_MODELS } from './catalogue/whisper.ts';

/** Every model that has a name of its own here. */
export const CATALOGUE: readonly CatalogueEntry[] = [...WHISPER_MODELS, ...SPEECH_MODELS];

const BY_NAME: ReadonlyMap<string, CatalogueEntry> = new Map(
  CATALOGUE.flatMap((entry) => [entry.name, ...entry.aliases].map((name) => [name.toLowerCase(), entry] as const)),
);

/** The catalogue entry of a name or alias, whatever its case. */
export const catalogueEntry = (name: string): CatalogueEntry | undefined => BY_NAME.get(name.toLowerCase());
