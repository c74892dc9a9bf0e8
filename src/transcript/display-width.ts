/**
 * Columns a text takes on screen, in Latin characters: wide and full-width East Asian characters and emoji count as
 * two, combining marks and invisible characters as none. Ranges after Unicode 16, EastAsianWidth.txt (W and F).
 */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    if (codePoint < 0x300) width += 1;
    else if (INVISIBLE.test(character)) continue;
    else width += isWide(codePoint) ? 2 : 1;
  }
  return width;
}

const INVISIBLE = /[\p{Mn}\p{Me}\p{Cf}]/u;

const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

function isWide(codePoint: number): boolean {
  return WIDE_RANGES.some(([first, last]) => codePoint >= first && codePoint <= last);
}
