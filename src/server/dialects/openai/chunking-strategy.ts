import { z } from 'zod';
import { DiaristError } from '../../../core/errors.ts';
import type { Warning } from '../../../transcript/types.ts';
import type { Fields } from '../../webservice-options.ts';

const PARAM = 'chunking_strategy';

const number = (text: unknown): unknown => (typeof text === 'string' && text.trim() !== '' ? Number(text) : text);

/** Source: OpenAI API specification 2.3.0, `VadConfig`. */
const vadSchema = z.object({
  type: z.literal('server_vad', { error: 'must be server_vad' }),
  threshold: z.preprocess(number, z.number({ error: 'must be a number from 0 to 1' }).min(0).max(1)).optional(),
  prefix_padding_ms: z.preprocess(number, z.int({ error: 'must be whole milliseconds' }).min(0)).optional(),
  silence_duration_ms: z.preprocess(number, z.int({ error: 'must be whole milliseconds' }).min(0)).optional(),
});

/**
 * Checks how the client wants the recording to be cut: `auto`, an object in fields such as `chunking_strategy[type]`, or
 * that object as JSON in one field (AI SDK). The engine cuts at pauses by itself, so numbers change nothing: the warning
 * says so. Throws `invalid_request`.
 */
export function readChunkingStrategy(fields: Fields): readonly Warning[] {
  const whole = fields.get(PARAM)?.[0]?.trim() ?? '';
  const parts = [...fields].filter(([name]) => name.startsWith(`${PARAM}[`));
  if (parts.length === 0 && (whole === '' || whole === 'auto' || whole === 'null')) return [];
  const wanted = parts.length > 0 ? Object.fromEntries(parts.map(entryOf)) : parseJson(whole);
  const parsed = vadSchema.safeParse(wanted);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const name = issue.path.length > 0 ? `${PARAM}[${issue.path.map(String).join('.')}]` : PARAM;
    throw new DiaristError('invalid_request', `${name} is not valid: ${issue.message}.`, { param: PARAM });
  }
  const { type: _, ...numbers } = parsed.data;
  if (Object.values(numbers).every((value) => value === undefined)) return [];
  return [
    {
      code: 'chunking_strategy_ignored',
      message:
        'The numbers of chunking_strategy change nothing: the engine cuts the recording at its pauses by itself.',
    },
  ];
}

function entryOf([name, values]: [string, readonly string[]]): [string, string | undefined] {
  return [name.slice(PARAM.length + 1).replace(/\]$/, ''), values[0]];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DiaristError('invalid_request', `${PARAM} must be auto or a JSON object with the type server_vad.`, {
      cause: error,
      param: PARAM,
    });
  }
}
