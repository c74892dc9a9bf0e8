import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiaristError } from './errors.ts';
import {
  isoLanguageCode,
  isWrittenWithoutSpaces,
  languageName,
  parseLanguage,
  WHISPER_LANGUAGES,
} from './languages.ts';

describe('parseLanguage', () => {
  it('knows every code and every name, in any case', () => {
    const entries = Object.entries(WHISPER_LANGUAGES);
    expect(entries).toHaveLength(100);
    for (const [code, name] of entries) {
      expect(parseLanguage(code)).toBe(code);
      expect(parseLanguage(` ${name.toUpperCase()} `)).toBe(code);
      expect(languageName(code)).toBe(name);
    }
  });

  it.each([
    ['mandarin', 'zh'],
    ['Castilian', 'es'],
    ['burmese', 'my'],
    ['valencian', 'ca'],
    ['flemish', 'nl'],
    ['haitian', 'ht'],
    ['letzeburgesch', 'lb'],
    ['pushto', 'ps'],
    ['panjabi', 'pa'],
    ['moldavian', 'ro'],
    ['moldovan', 'ro'],
    ['sinhalese', 'si'],
    ['pt-BR', 'pt'],
    ['pt_PT', 'pt'],
    ['zh-CN', 'zh'],
    ['zh-Hant-TW', 'zh'],
    ['zh-yue', 'yue'],
    ['cmn-Hans', 'zh'],
    ['nb-NO', 'no'],
    ['nn-NO', 'nn'],
    ['fil', 'tl'],
    ['tl', 'tl'],
    ['iw', 'he'],
    ['jv', 'jw'],
    ['jw', 'jw'],
    ['deu', 'de'],
    ['eng', 'en'],
    ['spa', 'es'],
  ])('reads %s as %s', (input, code) => {
    expect(parseLanguage(input)).toBe(code);
  });

  it.each([
    ['germn', 'de (German)'],
    ['englsh', 'en (English)'],
    ['portugese', 'pt (Portuguese)'],
    ['xx', ''],
    ['constructor', ''],
    ['', ''],
  ])('refuses "%s" and names near languages', (input, suggestion) => {
    let thrown: unknown;
    try {
      parseLanguage(input);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(DiaristError);
    expect((thrown as DiaristError).code).toBe('unknown_language');
    expect((thrown as DiaristError).message).toContain(`"${input}"`);
    expect((thrown as DiaristError).message).toContain(suggestion);
  });

  it('answers with a known code or an unknown_language error, whatever is written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z]{2,3}(-[A-Za-z0-9]{1,8})?$/)), (input) => {
        try {
          expect(Object.keys(WHISPER_LANGUAGES)).toContain(parseLanguage(input));
        } catch (error) {
          if (!(error instanceof DiaristError)) throw error;
          expect(error.code).toBe('unknown_language');
        }
      }),
    );
  });
});

describe('isWrittenWithoutSpaces', () => {
  it('is the list of openai-whisper', () => {
    const without = Object.keys(WHISPER_LANGUAGES).filter(isWrittenWithoutSpaces);
    expect(without.sort()).toEqual(['ja', 'lo', 'my', 'th', 'yue', 'zh']);
  });
});

describe('isoLanguageCode', () => {
  it('gives a code that means the same language', () => {
    expect(isoLanguageCode('jw')).toBe('jv');
    for (const code of Object.keys(WHISPER_LANGUAGES)) expect(parseLanguage(isoLanguageCode(code))).toBe(code);
  });
});
