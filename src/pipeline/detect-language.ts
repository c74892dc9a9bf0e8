import { AudioSpool } from '../audio/spool.ts';
import type { Seconds } from '../core/units.ts';
import { type Chunk, ChunkPacker } from '../engine/vad/chunking.ts';
import { quietestOffset } from '../engine/vad/quietest.ts';
import { BALLOTS_WANTED, LanguageVote } from './language-vote.ts';
import { type SpeechSearch, searchSpeech } from './speech-search.ts';
import type { DetectedLanguage } from './types.ts';

/** Where nobody has spoken enough by then, what was said so far decides. */
const MOST_SEARCHED_SECONDS: Seconds = 600;

/**
 * The language that the first chunks of speech agree on, as a transcription would decide it, without decoding their
 * text. Null where nobody speaks.
 */
export async function detectLanguage(search: Omit<SpeechSearch, 'onRegions'>): Promise<DetectedLanguage | null> {
  using speech = new FirstChunks(search.spoolPath);
  // No limit of length: only the beginning is heard.
  const audio = await searchSpeech({
    ...search,
    maxInputSeconds: undefined,
    onRegions: (regions, searchedSeconds) => {
      speech.chunks.push(...regions.flatMap((region) => speech.packer.push(region)));
      return speech.chunks.length >= BALLOTS_WANTED || searchedSeconds >= MOST_SEARCHED_SECONDS;
    },
  });
  if (speech.chunks.length < BALLOTS_WANTED) speech.chunks.push(...speech.packer.flush(audio.samples));
  const heard = speech.chunks.slice(0, BALLOTS_WANTED);
  if (heard.length === 0) return null;
  const vote = new LanguageVote();
  vote.close(heard.length);
  const alone = heard.length === 1 && search.pool.isIdle;
  await Promise.all(
    heard.map(async ({ pieces }) => {
      vote.cast(await search.pool.hear({ spool: search.spoolPath, pieces, alone }, search.run));
    }),
  );
  const { language, probability } = await vote.verdict;
  return { language, probability };
}

/** Chunks as they are packed from a recording that is still being decoded. */
class FirstChunks implements Disposable {
  readonly chunks: Chunk[] = [];
  readonly packer: ChunkPacker;
  #spool: AudioSpool | undefined;

  constructor(spoolPath: string) {
    this.packer = new ChunkPacker({
      quietest: (startSample, endSample) => {
        this.#spool ??= AudioSpool.open(spoolPath);
        return startSample + quietestOffset(this.#spool.read(startSample, endSample - startSample));
      },
    });
  }

  [Symbol.dispose](): void {
    this.#spool?.close();
  }
}
