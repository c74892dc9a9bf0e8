/** Longest name that is sent, in characters; file systems take 255 bytes. */
const LONGEST_STEM = 80;

/**
 * A `Content-Disposition` that offers a result under the name of its recording: `meeting.mp3` becomes `meeting.srt`. The
 * plain name has ASCII only and the exact one follows in `filename*` (RFC 6266, RFC 8187), so that no name can end the
 * header or break out of its quotes.
 */
export function attachmentOf(recordingName: string, extension: string): string {
  const base = recordingName.toWellFormed().replace(/^.*[/\\]/su, '');
  const stem = base.replace(/(?<=.)\.[^.]{1,8}$/u, '').replace(/\p{C}/gu, '');
  const name = `${[...stem].slice(0, LONGEST_STEM).join('').trim() || 'transcript'}.${extension}`;
  const plain = name.replace(/[^\x20-\x7e]|["%\\;]/gu, '_');
  if (plain === name) return `attachment; filename="${plain}"`;
  const exact = encodeURIComponent(name).replace(
    /['()*]/g,
    (own) => `%${own.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
