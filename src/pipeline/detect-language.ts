import type { Seconds } from '../core/units.ts';
import { type Chunk, ChunkPacker } from '../engine/vad/chunking.ts';
import { BALLOTS_WANTED, LanguageVote } from './language-vote.ts';
import { QuietestPlace } from './quietest-place.ts';
import { type SpeechSearch, searchSpeech } from './speech-search.ts';
import type { DetectedLanguage } from './types.ts';

/** Where nobody has spoken enough by then, what was said so far decides. */
const MOST_SEARCHED_SECONDS: Seconds = 600;

/**
 * The language that the first chunks of speech agree on, as a transcription would decide it, without decoding their
 * text. Null where nobody speaks.
 */
export async function detectLanguage(search: Omit<SpeechSearch, 'onRegions'>): Promise<DetectedLanguage | null> {
  using quietest = new QuietestPlace(search.spoolPath);
  const packer = new ChunkPacker({ quietest: (start, end) => quietest.within(start, end) });
  const chunks: Chunk[] = [];
  // No limit of length: only the beginning is heard.
  const audio = await searchSpeech({
    ...search,
    maxInputSeconds: undefined,
    onRegions: (regions, searchedSeconds) => {
      chunks.push(...regions.flatMap((region) => packer.push(region)));
      return chunks.length >= BALLOTS_WANTED || searchedSeconds >= MOST_SEARCHED_SECONDS;
    },
  });
  if (chunks.length < BALLOTS_WANTED) chunks.push(...packer.flush(audio.samples));
  const heard = chunks.slice(0, BALLOTS_WANTED);
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
