/**
 * Byte-level alphabet of GPT-2 and Whisper: every byte is written as one printable character, so that tokens can stand
 * in text files. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards.
 * Source: `bytes_to_unicode` of openai/gpt-2, `encoder.py`.
 */
const CHARACTER_OF_BYTE: readonly string[] = buildAlphabet();
const BYTE_OF_CODE_UNIT: Int16Array = invertAlphabet(CHARACTER_OF_BYTE);

const textEncoder = new TextEncoder();
// A byte order mark inside speech text is a token like any other: stripping it would shift word boundaries.
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The UTF-8 bytes of `text`, one alphabet character a byte. */
export function textToByteCharacters(text: string): string {
  let characters = '';
  for (const byte of textEncoder.encode(text)) characters += CHARACTER_OF_BYTE[byte]!;
  return characters;
}

/** Text of concatenated tokens; bytes that are not valid UTF-8 become U+FFFD, as in the reference. */
export function byteCharactersToText(tokens: readonly string[]): string {
  const bytes: number[] = [];
  for (const token of tokens) {
    const start = bytes.length;
    for (let index = 0; index < token.length; index++) {
      const codeUnit = token.charCodeAt(index);
      const byte = codeUnit < BYTE_OF_CODE_UNIT.length ? BYTE_OF_CODE_UNIT[codeUnit]! : -1;
      if (byte < 0) {
        // A token outside the alphabet was added as plain text.
        bytes.length = start;
        bytes.push(...textEncoder.encode(token));
        break;
      }
      bytes.push(byte);
    }
  }
  return textDecoder.decode(Uint8Array.from(bytes));
}

function buildAlphabet(): string[] {
  const characters: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters.push(String.fromCharCode(printable ? byte : next++));
  }
  return characters;
}

function invertAlphabet(characters: readonly string[]): Int16Array {
  const codeUnits = characters.map((character) => character.charCodeAt(0));
  const bytes = new Int16Array(Math.max(...codeUnits) + 1).fill(-1);
  codeUnits.forEach((codeUnit, byte) => {
    bytes[codeUnit] = byte;
  });
  return bytes;
}
