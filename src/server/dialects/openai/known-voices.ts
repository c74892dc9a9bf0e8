import { createHash } from 'node:crypto';
import { DiaristError } from '../../../core/errors.ts';
import type { Fields } from '../../webservice-options.ts';

const NAMES = 'known_speaker_names';
const REFERENCES = 'known_speaker_references';

/** Source: OpenAI API specification 2.3.0. */
const MOST_VOICES = 4;

/** A voice that the client knows by name. */
export interface KnownVoice {
  readonly name: string;
  /** A recording of the voice in any format that ffmpeg reads. */
  readonly recording: Buffer;
  /** SHA-256 of the recording. */
  readonly sha256: string;
}

/**
 * Reads `known_speaker_names` and `known_speaker_references`, which belong together in their order. Names stay exactly as
 * they are, because clients look for them in the answer. Throws `invalid_request` that names the field.
 */
export function readKnownVoices(fields: Fields): readonly KnownVoice[] {
  const names = fields.get(NAMES) ?? [];
  const references = fields.get(REFERENCES) ?? [];
  if (names.length !== references.length) {
    throw invalid(
      names.length < references.length ? NAMES : REFERENCES,
      `There are ${names.length} ${NAMES} and ${references.length} ${REFERENCES}: send one of each for every voice.`,
    );
  }
  if (names.length > MOST_VOICES) throw invalid(NAMES, `At most ${MOST_VOICES} known speakers can be given.`);
  if (names.some((name) => name.trim() === '')) throw invalid(NAMES, `Each of ${NAMES} must have a letter at least.`);
  if (new Set(names).size < names.length) throw invalid(NAMES, `Each of ${NAMES} must be another name.`);
  return names.map((name, index) => {
    const recording = dataOf(references[index]!, index);
    return { name, recording, sha256: createHash('sha256').update(recording).digest('hex') };
  });
}

const DATA_URL = /^data:[^,]{0,200};base64,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

function dataOf(url: string, index: number): Buffer {
  const header = DATA_URL.exec(url.slice(0, 300))?.[0];
  const base64 = header === undefined ? '' : url.slice(header.length).replace(/\s/g, '');
  if (!BASE64.test(base64)) {
    throw invalid(
      REFERENCES,
      `${REFERENCES}[${index}] must be a data URL with a recording in base64: data:audio/wav;base64,…`,
    );
  }
  return Buffer.from(base64, 'base64');
}

function invalid(param: string, message: string): DiaristError {
  return new DiaristError('invalid_request', message, { param });
}
