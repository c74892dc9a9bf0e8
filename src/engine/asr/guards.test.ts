import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressionRatio, endsInLoop, findRepetition, isSilence, needsFallback, tokensUpToLoop } from './guards.ts';
import { isPhantom } from './guards-phantoms.ts';

describe('compressionRatio', () => {
  // Values of Python 3 `len(text.encode()) / len(zlib.compress(text.encode()))`.
  it.each([
    ['The quick brown fox jumps over the lazy dog.', 0.8627],
    ['ha '.repeat(60), 12.857],
    ['Ich weiß nicht, was soll es bedeuten, dass ich so traurig bin. '.repeat(3), 2.63],
    ['今天天气很好。'.repeat(20), 12.0],
    [
      'And so my fellow Americans ask not what your country can do for you, ask what you can do for your country. It is a test of compression and nothing else, of course.',
      1.4174,
    ],
  ])('is near the reference for %j', (text, reference) => {
    expect(Math.abs(compressionRatio(text) / reference - 1)).toBeLessThan(0.06);
  });

  it('is 0 without text', () => {
    expect(compressionRatio('')).toBe(0);
  });
});

describe('needsFallback', () => {
  const sound = { avgLogprob: -0.3, noSpeechProb: 0.1, compressionRatio: 1.5 };

  it('takes the thresholds of the reference', () => {
    expect(needsFallback(sound)).toBe(false);
    expect(needsFallback({ ...sound, compressionRatio: 2.4 })).toBe(false);
    expect(needsFallback({ ...sound, compressionRatio: 2.41 })).toBe(true);
    expect(needsFallback({ ...sound, avgLogprob: -1 })).toBe(false);
    expect(needsFallback({ ...sound, avgLogprob: -1.01 })).toBe(true);
  });

  it('leaves silence alone, but only where the text is not trusted either', () => {
    const silence = { avgLogprob: -1.2, noSpeechProb: 0.7, compressionRatio: 3 };
    expect(isSilence(silence)).toBe(true);
    expect(needsFallback(silence)).toBe(false);
    expect(isSilence({ avgLogprob: -0.05, noSpeechProb: 0.65 })).toBe(false);
    expect(needsFallback({ ...silence, noSpeechProb: 0.5 })).toBe(true);
  });

  it('sees a loop that the compression ratio does not', () => {
    const tokens = [...Array.from({ length: 80 }, (_, index) => 1000 + index), ...Array(8).fill([7, 8, 9]).flat()];
    expect(needsFallback(sound, tokens)).toBe(true);
  });
});

describe('findRepetition', () => {
  it('finds period, start and count', () => {
    expect(findRepetition([1, 2, 3, ...Array(7).fill([4, 5, 6]).flat(), 4])).toEqual({ start: 3, period: 3, count: 7 });
    expect(findRepetition(Array(30).fill(9))).toEqual({ start: 0, period: 1, count: 30 });
  });

  it('lets people repeat themselves', () => {
    expect(findRepetition([5, 5, 5, 5, 5, 5, 1, 2])).toBeNull();
    expect(findRepetition([...Array(2).fill([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).flat(), 13])).toBeNull();
    expect(findRepetition([])).toBeNull();
  });

  const looped = fc
    .tuple(
      fc.array(fc.integer({ min: 100, max: 50_000 }), { maxLength: 40 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 20, max: 30 }),
    )
    .map(([before, phrase, count]) => ({ before, phrase, tokens: [...before, ...Array(count).fill(phrase).flat()] }));

  it('finds every planted loop, and keeps its first round alone where the text ends in it', () => {
    fc.assert(
      fc.property(looped, fc.integer({ min: 0, max: 11 }), ({ before, phrase, tokens }, rest) => {
        expect(findRepetition(tokens)?.period).toBe(phrase.length);
        const cutShort = [...tokens, ...phrase.slice(0, rest % phrase.length)];
        expect(tokensUpToLoop(cutShort)).toBe(before.length + phrase.length);
        expect(endsInLoop(cutShort)).toBe(true);
      }),
    );
  });

  it('keeps texts without loops whole, and what is said behind a loop', () => {
    const different = fc.uniqueArray(fc.integer({ min: 60_000, max: 70_000 }), { minLength: 13, maxLength: 224 });
    fc.assert(
      fc.property(looped, different, ({ tokens }, behind) => {
        expect([tokensUpToLoop(behind), endsInLoop(behind)]).toEqual([behind.length, false]);
        const goesOn = [...tokens, ...behind];
        expect([tokensUpToLoop(goesOn), endsInLoop(goesOn)]).toEqual([goesOn.length, false]);
      }),
    );
  });
});

describe('isPhantom', () => {
  const silent = { avgLogprob: -0.8, noSpeechProb: 0.8 };
  const spoken = { avgLogprob: -0.2, noSpeechProb: 0.05 };

  it.each([
    ' Thank you.',
    ' Thanks for watching!',
    " I'll see you in the next video. Bye-bye.",
    ' Vielen Dank.',
    "Merci d'avoir regardé cette vidéo !",
    'ご視聴ありがとうございました',
    '谢谢大家',
    ' Продолжение следует...',
  ])('drops the courtesy %j where nobody spoke, and never where somebody did', (text) => {
    expect(isPhantom(text, silent)).toBe(true);
    expect(isPhantom(text, spoken)).toBe(false);
    expect(isPhantom(text, { avgLogprob: -0.1, noSpeechProb: 0.8 })).toBe(false);
    expect(isPhantom(text, { avgLogprob: -0.8, noSpeechProb: 0.2 })).toBe(false);
    expect(isPhantom(text, { avgLogprob: -0.8, noSpeechProb: 0.2, levelDb: -70 })).toBe(true);
  });

  it.each([
    ' Subtitles by the Amara.org community',
    ' Untertitel im Auftrag des ZDF für funk, 2017',
    ' Untertitel der Amara.org-Community',
    " Sous-titres réalisés par la communauté d'Amara.org",
    ' Subtítulos realizados por la comunidad de Amara.org',
    ' Sottotitoli creati dalla comunità Amara.org',
    ' Legendas pela comunidade Amara.org',
    ' Ondertiteling ingediend door de Amara.org gemeenschap',
    ' Субтитры сделал DimaTorzok',
    '字幕由Amara.org社区提供',
  ])('drops the credit %j on weaker evidence, but not against the evidence', (text) => {
    expect(isPhantom(text, { avgLogprob: -0.4, noSpeechProb: 0.1 })).toBe(true);
    expect(isPhantom(text, spoken)).toBe(false);
  });

  it('keeps everything else, whatever the evidence', () => {
    for (const text of [
      '',
      ' ',
      '...',
      ' Thank you for the invitation to Berlin.',
      ' You know that I said bye.',
      ' Amara lives here.',
    ]) {
      expect(isPhantom(text, { avgLogprob: -3, noSpeechProb: 1, levelDb: -90 })).toBe(false);
    }
  });
});
