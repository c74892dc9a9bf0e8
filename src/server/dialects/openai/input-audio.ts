import { z } from 'zod';
import { DiaristError } from '../../../core/errors.ts';
import type { FormOptions } from '../../types.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** The recording in a JSON body, as Open WebUI sends it; the fields of the form stand beside it. */
export const inputAudioShape = {
  input_audio: z.object({
    data: z.string().meta({ description: 'The recording in base64.' }),
    format: z.string().optional().meta({ description: 'File extension of the recording: wav, mp3 …' }),
  }),
};

const inputAudioSchema = z.looseObject(inputAudioShape);

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Reads a JSON body: the recording out of `input_audio`, everything else as fields. Throws `invalid_request`. */
export const readInputAudio: NonNullable<FormOptions['json']> = (body) => {
  const parsed = inputAudioSchema.safeParse(body);
  if (!parsed.success) {
    throw invalid('Send {"model": …, "input_audio": {"data": the recording in base64, "format": "wav"}}, or a form.');
  }
  const { input_audio: audio, ...rest } = parsed.data;
  const base64 = audio.data.replace(/^data:[^,]{0,200},/, '').replace(/\s/g, '');
  if (!BASE64.test(base64)) throw invalid('input_audio.data is no base64: send the bytes of the recording in base64.');
  const extension = /^\w{1,8}$/.test(audio.format ?? '') ? `.${audio.format}` : '';
  return { fields: textFields(rest), audio: { base64, name: `audio${extension}` } };
};

function textFields(values: Record<string, unknown>): Record<string, string | string[]> {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, Array.isArray(value) ? value.map(text) : text(value)]));
}

function text(value: unknown): string {
  const plain = scalar.safeParse(value);
  return plain.success ? String(plain.data) : JSON.stringify(value);
}

function invalid(message: string): DiaristError {
  return new DiaristError('invalid_request', message, { param: 'input_audio' });
}
