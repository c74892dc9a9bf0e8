import { readFileSync } from 'node:fs';

/** American spelling of a word that has a British one; other words come back as they are. Lower case in and out. */
export function americanSpelling(word: string): string {
  return spellings().get(word) ?? word;
}

let table: ReadonlyMap<string, string> | undefined;

function spellings(): ReadonlyMap<string, string> {
  table ??= unfold(readFileSync(new URL('spelling.txt', import.meta.url), 'utf8'));
  return table;
}

/** Reads the folded list; its format stands in its first lines. */
function unfold(text: string): Map<string, string> {
  const words = new Map<string, string>();
  const part = (written: string | undefined): string => (written === undefined || written === '~' ? '' : written);
  let [british, american] = ['', ''];
  for (const line of text.split('\n')) {
    const group = /^\[(.+)>(.+)\]$/.exec(line);
    if (group !== null) {
      [british, american] = [part(group[1]), part(group[2])];
    } else if (!line.startsWith('#')) {
      for (const entry of line.split(' ').filter((own) => own !== '')) {
        const [stem, endings] = entry.split(':');
        for (const ending of endings!.split(',')) {
          words.set(part(stem) + british + part(ending), part(stem) + american + part(ending));
        }
      }
    }
  }
  return words;
}
