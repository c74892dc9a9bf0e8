import type { Machine } from '../folders.ts';
import type { ValueKind } from '../value-kinds.ts';

/** One setting: where it may come from, what it means and what it is when nobody says. */
export interface Setting<T> {
  /** Environment variable; without `DIARIST_` and in small letters it is the key in `diarist.yaml`. */
  readonly variable: string;
  /** Flag of a command that sets it, where one does. */
  readonly flag?: string;
  /** Completes "NAME: …" in help and in the list of settings. */
  readonly meaning: string;
  readonly kind: ValueKind<T>;
  /** Its value is shown to nobody. */
  readonly secret?: true;
  fallback(machine: Machine): T;
}

export function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}
