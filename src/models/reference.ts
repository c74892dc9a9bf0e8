import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { editDistance } from '../core/edit-distance.ts';
import { DiaristError } from '../core/errors.ts';
import type { CatalogueEntry } from './catalogue/entry.ts';
import { CATALOGUE, catalogueEntry } from './catalogue.ts';

/** What a person wrote for a model, understood as far as that goes without looking into the store. */
export type ModelReference =
  | { readonly kind: 'catalogue'; readonly entry: CatalogueEntry }
  | { readonly kind: 'hub'; readonly repo: string; readonly revision: string }
  | { readonly kind: 'path'; readonly path: string }
  /** Neither of these: perhaps the name of an imported model. */
  | { readonly kind: 'name'; readonly name: string };

const HUB_PREFIX = 'hub:';
const HUB_REFERENCE = /^(?<repo>[\w.-]+\/[\w.-]+)(?:@(?<revision>[\w./-]+))?$/;
const MAX_SUGGESTIONS = 3;

/**
 * Understands a catalogue name or alias, `hub:org/name[@revision]`, or a local path. A catalogue name wins over a
 * folder of that name in the current directory (write `./base` for the folder). Throws `unknown_model` for a `hub:` that
 * is no repository name, `model_missing` for a path that is not there.
 */
export function parseReference(reference: string): ModelReference {
  if (reference.startsWith(HUB_PREFIX)) return parseHubReference(reference);
  const entry = catalogueEntry(reference);
  if (entry !== undefined) return { kind: 'catalogue', entry };
  const path = resolve(reference.startsWith('~/') ? join(homedir(), reference.slice(2)) : reference);
  const meansPath = /^(?:\.{0,2}|~)[/\\]|^[a-zA-Z]:[/\\]/.test(reference) || reference.startsWith('.');
  if (reference !== '' && (meansPath || reference.includes('/'))) {
    if (existsSync(path)) return { kind: 'path', path };
    if (meansPath) throw new DiaristError('model_missing', `There is no model at ${reference}; check the path.`);
    if (HUB_REFERENCE.test(reference)) {
      throw new DiaristError(
        'unknown_model',
        `"${reference}" is neither a known model nor a folder here; for the Hugging Face repository write hub:${reference}.`,
      );
    }
  }
  return { kind: 'name', name: reference };
}

function parseHubReference(reference: string): ModelReference {
  const groups = HUB_REFERENCE.exec(reference.slice(HUB_PREFIX.length))?.groups;
  const repo = groups?.repo;
  if (repo === undefined || repo.includes('..')) {
    throw new DiaristError('unknown_model', `"${reference}" names no repository; write hub:organisation/name.`);
  }
  const revision = groups?.revision ?? 'main';
  // The catalogue's own repositories get its hashes and its other sources.
  const entry = catalogueEntry(repo);
  const isEntrysRepository =
    entry?.hub !== undefined && [entry.hub.repo, ...(entry.hub.alsoKnownAs ?? [])].includes(repo);
  if (entry !== undefined && isEntrysRepository && revision === 'main') return { kind: 'catalogue', entry };
  return { kind: 'hub', repo, revision };
}

/** The error for a name that nothing answers to, with the nearest names there are. */
export function unknownModel(name: string, installed: readonly string[] = []): DiaristError {
  const suggestions = nearestModelNames(name, installed);
  const advice =
    suggestions.length > 0
      ? `did you mean ${listOf(suggestions)}?`
      : 'see "diarist models list", or give a folder or hub:organisation/name.';
  return new DiaristError('unknown_model', `Unknown model '${name}': ${advice}`);
}

/** Up to three known names that a slip of the hand away from `name`, nearest first. */
export function nearestModelNames(name: string, installed: readonly string[] = []): readonly string[] {
  const wanted = name.toLowerCase();
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  const shortAliases = CATALOGUE.flatMap((entry) => entry.aliases.filter((alias) => !alias.includes('/')));
  const names = new Set([...CATALOGUE.map((entry) => entry.name), ...shortAliases, ...installed]);
  return [...names]
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || a.candidate.length - b.candidate.length)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate);
}

function listOf(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} or ${last}`;
}
