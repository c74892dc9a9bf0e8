import { DiaristError } from '../../../core/errors.ts';
import type { Fields } from '../../webservice-options.ts';

/** Values of a field that may come more than once, without empty ones. */
export function listField(fields: Fields, name: string): readonly string[] {
  return (fields.get(name) ?? []).map((value) => value.trim()).filter((value) => value !== '');
}

/** Values of a field that takes these only. Throws `invalid_request` that names the field. */
export function choiceField<Choice extends string>(
  fields: Fields,
  name: string,
  choices: readonly Choice[],
): ReadonlySet<Choice> {
  const values = listField(fields, name);
  const wrong = values.find((value) => !choices.some((choice) => choice === value));
  if (wrong !== undefined) {
    const message = `${name} takes ${choices.join(' and ')}, not "${wrong.slice(0, 40)}".`;
    throw new DiaristError('invalid_request', message, { param: name });
  }
  return new Set(values as Choice[]);
}
