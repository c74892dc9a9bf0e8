import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiaristError, type ErrorCode } from '../../../core/errors.ts';
import type { KnownSpeaker, VoiceRequest } from '../../../pipeline/types.ts';
import type { KnownVoice } from './known-voices.ts';

/** What is wrong with a reference that its sender can put right. */
const FAULTS: Partial<Record<ErrorCode, string>> = {
  no_speech: 'nobody speaks in it: send 2 to 10 seconds of the voice',
  input_empty: 'it is empty: send 2 to 10 seconds of the voice',
  input_no_audio: 'there is no audio in it: send 2 to 10 seconds of the voice',
  input_undecodable: 'failed to decode audio: send it as WAV, MP3 or another common format',
  input_unreadable: 'failed to decode audio: send it as WAV, MP3 or another common format',
  input_too_large: 'it is too long: send 2 to 10 seconds of the voice',
};

/**
 * Embeddings of known voices, one after the other. The recordings are on disk only meanwhile, in `folder`. Throws
 * `invalid_request` that names the reference which cannot be used, and whatever the engine fails with.
 */
export async function embedVoices(
  voices: readonly KnownVoice[],
  embedVoice: (voice: VoiceRequest) => Promise<readonly number[]>,
  folder: string,
): Promise<readonly KnownSpeaker[]> {
  const known: KnownSpeaker[] = [];
  for (const [index, { name, recording, sha256 }] of voices.entries()) {
    const id = `voice-${randomUUID()}`;
    const path = join(folder, id);
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(path, recording, { flag: 'wx', mode: 0o600 });
      known.push({ name, embedding: await embedVoice({ id, path }), reference: sha256 });
    } catch (error) {
      throw referenceError(error, index);
    } finally {
      await rm(path, { force: true });
    }
  }
  return known;
}

function referenceError(error: unknown, index: number): unknown {
  const fault = error instanceof DiaristError ? FAULTS[error.code] : undefined;
  if (fault === undefined) return error;
  return new DiaristError('invalid_request', `known_speaker_references[${index}] cannot be used: ${fault}.`, {
    cause: error,
    param: 'known_speaker_references',
  });
}
