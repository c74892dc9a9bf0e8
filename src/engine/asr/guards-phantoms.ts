import type { DecodingEvidence } from './guards.ts';

/**
 * What Whisper writes where nobody speaks: phrases that its training subtitles put over music, noise and silence. People
 * do say the courtesies; nobody says the credits. Phrases of
 * this kind are widely reported by Whisper's users; the list is ours and is kept short on purpose.
 */
const COURTESIES: readonly string[] = [
  'thank you',
  'thank you very much',
  'thank you so much',
  'thanks',
  'thanks for watching',
  'thank you for watching',
  'thank you so much for watching',
  'thanks for listening',
  'please subscribe',
  'please subscribe to my channel',
  'like and subscribe',
  'see you next time',
  'see you in the next video',
  'ill see you in the next video',
  'bye',
  'bye bye',
  'you',
  'okay',
  'vielen dank',
  'vielen dank für ihre aufmerksamkeit',
  'bis zum nächsten mal',
  'tschüss',
  'merci',
  'merci davoir regardé cette vidéo',
  'au revoir',
  'gracias',
  'gracias por ver el video',
  'gracias por ver',
  'adiós',
  'grazie',
  'grazie per la visione',
  'obrigado',
  'obrigado por assistir',
  'bedankt voor het kijken',
  'dziękuję',
  'dziękuję za oglądanie',
  'спасибо',
  'спасибо за просмотр',
  'продолжение следует',
  'дякую за перегляд',
  'teşekkürler',
  'izlediğiniz için teşekkür ederim',
  'شكرا',
  'شكرا للمشاهدة',
  'ご視聴ありがとうございました',
  'ありがとうございました',
  'おやすみなさい',
  '谢谢',
  '谢谢大家',
  '谢谢观看',
  '謝謝',
  '謝謝大家',
  '謝謝觀看',
  '감사합니다',
  '시청해주셔서 감사합니다',
  '다음 영상에서 만나요',
  'cảm ơn các bạn đã theo dõi',
  'धन्यवाद',
  'tack för att ni tittade',
];

const CREDITS: readonly RegExp[] = [
  /\bamara ?org\b/u,
  /^(subtitles|captions|subtitling|transcription|translation|translated) (made )?by\b/u,
  /^(untertitel|untertitelung) (von|der|des|im|aufgrund|zdf|ard|swr|wdr|br)\b/u,
  /^copyright wdr\b/u,
  /^sous titr(es|age) (réalisé|fait|st|société|par|de)/u,
  /^subtítulos (realizados |creados )?por\b/u,
  /^sottotitoli (creati |e revisione )?(a cura di|di|creati)\b/u,
  /^legendas? (pela|por)\b/u,
  /^(ondertiteld|ondertiteling|ondertitels) (door|ingediend)/u,
  /^napisy (stworzone przez|wykonał|robił)/u,
  /^(субтитры|редактор субтитров|корректор) /u,
  /^субтитри /u,
  /^(altyazı|çeviri ve altyazı) /u,
  /^titulky vytvořil/u,
  /^(undertexter|svensktextning|undertekster|norsk undertekst|teksting) (från|av|nrk|tv2|laget)/u,
  /^字幕(由|志愿者|志願者|製作|制作|提供|by)/u,
  /^(明镜|明鏡).*(栏目|欄目)/u,
  /^(请不吝点赞|請不吝點贊)/u,
  /^(자막 ?(제공|by)|한글자막)/u,
];

/** What else is known about a chunk, from the signal. */
export interface PhantomEvidence extends DecodingEvidence {
  /** Loudness of the chunk's speech regions in dB of full scale; absent where not measured. */
  readonly levelDb?: number;
}

/** Full scale is 0 dB; far or quiet speech stands around -45, the noise of a good microphone below -60. */
const FAINT_LEVEL_DB = -60;

/**
 * True where a text is nothing but such a phrase, once or several times, and there is evidence besides the words that
 * nobody spoke. Wrongly dropping a real "Thank you." is worse than keeping a phantom: a courtesy goes only where the model
 * suspects silence (no-speech over 0.6, as the reference, or the signal is faint) and does not trust its own text
 * (log-probability under -0.5, half way to the reference's limit). A credit goes where either is half so clear.
 */
export function isPhantom(text: string, evidence: PhantomEvidence): boolean {
  const { avgLogprob, noSpeechProb, levelDb } = evidence;
  const faint = levelDb !== undefined && levelDb < FAINT_LEVEL_DB;
  const sentences = sentencesOf(text);
  if (sentences.length === 0) return false;
  if (sentences.every(isCredit)) return noSpeechProb > 0.3 || avgLogprob < -0.3 || faint;
  if (!sentences.every((sentence) => isCredit(sentence) || isCourtesy(sentence))) return false;
  return (noSpeechProb > 0.6 || faint) && avgLogprob < -0.5;
}

const courtesies: ReadonlySet<string> = new Set(COURTESIES.map(normalise));

const isCourtesy = (sentence: string): boolean => courtesies.has(sentence);
const isCredit = (sentence: string): boolean => CREDITS.some((pattern) => pattern.test(sentence));

function sentencesOf(text: string): string[] {
  // The dot of a host name (amara.org) ends no sentence.
  return text
    .split(/[!?。！？\n]+|\.(?=\s|$)/u)
    .map(normalise)
    .filter((sentence) => sentence !== '');
}

/** Lower case, letters and digits with single spaces between, so that marks and apostrophes do not matter. */
function normalise(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/['’]/gu, '')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();
}
