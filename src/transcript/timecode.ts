/** Whole milliseconds of a time in seconds; what is not a positive number is 0. */
export function toMilliseconds(seconds: number): number {
  return Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds * 1000) : 0;
}

/** `HH:MM:SS.mmm`, with the decimal mark of the format. Hours go beyond 99 where they must. */
export function formatTimecode(milliseconds: number, decimalMark: '.' | ','): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = Math.floor(milliseconds / 1000) % 60;
  const rest = String(milliseconds % 1000).padStart(3, '0');
  return `${two(hours)}:${two(minutes)}:${two(seconds)}${decimalMark}${rest}`;
}

/** A time code as a pattern source: hours may be missing (WebVTT), the decimal mark is a point or a comma. */
export const TIMECODE = String.raw`(?:\d{2,}:)?\d{2}:\d{2}[.,]\d{3}`;

/** Milliseconds of a time code that matches {@link TIMECODE}. */
export function parseTimecode(text: string): number {
  const parts = text.replace(',', '.').split(':').map(Number);
  return Math.round(parts.reduce((total, part) => total * 60 + part, 0) * 1000);
}
