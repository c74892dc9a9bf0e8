import { createHash } from 'node:crypto';
import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DecodedAudio } from '../audio/decode.ts';
import { toDiaristError } from '../core/errors.ts';
import type { Embeddings } from '../engine/diarization/embed-ranges.ts';
import type { FbankRanges } from '../engine/diarization/runs.ts';
import type { ChunkPiece } from '../engine/vad/chunking.ts';
import { WINDOW_FRAMES } from '../inference/segmentation/geometry.ts';
import type { RecognizedChunk } from '../transcript/recognized.ts';
import type { LanguageVerdict } from './language-vote.ts';
import type { TranscribeRequest } from './types.ts';

/** Changes whenever results of the same request and models change, or how they are written down. */
const CHECKPOINT_VERSION = 2;
/** What was written is on the disk itself after this time at the latest: a crash of the machine costs no more work. */
const SYNC_AFTER_MS = 5000;

/** A recognised chunk, and in which language it was read (empty: in the one language of its model). */
interface ChunkRecord {
  readonly index: number;
  readonly language: string;
  readonly pieces: readonly ChunkPiece[];
  readonly result: RecognizedChunk | null;
}

type AudioFacts = Pick<DecodedAudio, 'samples' | 'warnings'>;

/** One line of the journal. Binary values are base64 of their little-endian bytes. */
type JournalRecord =
  | { readonly kind: 'begin'; readonly key: string }
  | ({ readonly kind: 'audio' } & AudioFacts)
  | { readonly kind: 'classes'; readonly firstWindow: number; readonly classes: string }
  | { readonly kind: 'language'; readonly verdict: LanguageVerdict }
  | ({ readonly kind: 'chunk' } & ChunkRecord)
  | { readonly kind: 'embeddings'; readonly items: string; readonly vectors: string; readonly bandDifferences: string };

/**
 * What is finished of a transcription, in a folder, so that another process can go on behind it: the decoded audio, and a
 * journal of results. A line of the journal counts once it is whole (a checksum tells), the audio once the journal says
 * how long it is. A journal of another request, of other models or of another version counts for nothing.
 */
export class Checkpoint {
  /** Decoded audio; {@link audio} tells whether it is whole. */
  readonly audioPath: string;
  readonly #journal: number;
  readonly #windows = new Map<number, Uint8Array>();
  readonly #chunks = new Map<string, ChunkRecord>();
  readonly #embeddings = new Map<string, Embeddings>();
  #audio: AudioFacts | undefined;
  #verdict: LanguageVerdict | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #failed = false;

  private constructor(folder: string, journal: number) {
    this.audioPath = join(folder, 'audio.pcm');
    this.#journal = journal;
  }

  /**
   * Opens the checkpoint of a request in its `workFolder`, empty where there is none that fits. `engine` names the models
   * and how they run. Throws `output_unwritable` or `disk_full`.
   */
  static async open(folder: string, request: TranscribeRequest, engine: string): Promise<Checkpoint> {
    try {
      await mkdir(folder, { recursive: true });
      const journal = openSync(join(folder, 'journal'), 'a+');
      const checkpoint = new Checkpoint(folder, journal);
      await checkpoint.#load(await keyOf(request, engine));
      return checkpoint;
    } catch (error) {
      throw toDiaristError(error, 'output_unwritable');
    }
  }

  /** Facts of the decoded audio, where all of it stands in {@link audioPath}. */
  get audio(): AudioFacts | undefined {
    return this.#audio;
  }

  get verdict(): LanguageVerdict | undefined {
    return this.#verdict;
  }

  /** Classes of so many windows, [windows * 589]; undefined where one of them is missing. */
  classes(firstWindow: number, windows: number): Uint8Array | undefined {
    const joined = new Uint8Array(windows * WINDOW_FRAMES);
    for (let index = 0; index < windows; index++) {
      const classes = this.#windows.get(firstWindow + index);
      if (classes === undefined) return undefined;
      joined.set(classes, index * WINDOW_FRAMES);
    }
    return joined;
  }

  /** What a chunk said in a language (null: nothing); undefined where that is not known. */
  chunk(index: number, language: string, pieces: readonly ChunkPiece[]): RecognizedChunk | null | undefined {
    const found = this.#chunks.get(`${index} ${language}`);
    // Chunks of an attempt that cut the recording differently are none of this one.
    return found !== undefined && JSON.stringify(found.pieces) === JSON.stringify(pieces) ? found.result : undefined;
  }

  embeddings(items: readonly FbankRanges[]): Embeddings | undefined {
    return this.#embeddings.get(nameOf(items));
  }

  /** Once the audio itself is on the disk. */
  async keepAudio({ samples, warnings }: AudioFacts): Promise<void> {
    try {
      await using audio = await open(this.audioPath, 'r+');
      await audio.datasync();
    } catch {
      return;
    }
    this.#append({ kind: 'audio', samples, warnings });
  }

  keepClasses(firstWindow: number, classes: Uint8Array): void {
    this.#append({ kind: 'classes', firstWindow, classes: toBase64(classes) });
  }

  keepVerdict(verdict: LanguageVerdict): void {
    this.#append({ kind: 'language', verdict });
  }

  keepChunk(record: ChunkRecord): void {
    this.#append({ kind: 'chunk', ...record });
  }

  keepEmbeddings(items: readonly FbankRanges[], { vectors, bandDifferences }: Embeddings): void {
    this.#append({
      kind: 'embeddings',
      items: nameOf(items),
      vectors: toBase64(vectors),
      bandDifferences: toBase64(bandDifferences),
    });
  }

  close(): void {
    clearTimeout(this.#syncTimer);
    this.#failed = true;
    closeSync(this.#journal);
  }

  async #load(key: string): Promise<void> {
    const lines = readLines(this.#journal);
    const [first] = lines.records;
    if (first?.kind === 'begin' && first.key === key) {
      // A torn line at the end goes, so that the next one does not join it.
      ftruncateSync(this.#journal, lines.wholeBytes);
      for (const record of lines.records) this.#take(record);
      return;
    }
    ftruncateSync(this.#journal, 0);
    await rm(this.audioPath, { force: true });
    this.#append({ kind: 'begin', key });
  }

  #take(record: JournalRecord): void {
    switch (record.kind) {
      case 'begin':
        break;
      case 'audio':
        if (sizeOf(this.audioPath) === 2 * record.samples) this.#audio = record;
        break;
      case 'classes': {
        const classes = fromBase64(record.classes);
        for (let index = 0; (index + 1) * WINDOW_FRAMES <= classes.length; index++) {
          const window = classes.subarray(index * WINDOW_FRAMES, (index + 1) * WINDOW_FRAMES);
          this.#windows.set(record.firstWindow + index, window);
        }
        break;
      }
      case 'language':
        this.#verdict = record.verdict;
        break;
      case 'chunk':
        this.#chunks.set(`${record.index} ${record.language}`, record);
        break;
      case 'embeddings':
        this.#embeddings.set(record.items, {
          vectors: new Float32Array(fromBase64(record.vectors).buffer),
          bandDifferences: new Float32Array(fromBase64(record.bandDifferences).buffer),
        });
    }
  }

  /** Written at once, so that a killed process loses nothing. A disk that takes no more costs the checkpoint, not the work. */
  #append(record: JournalRecord): void {
    if (this.#failed) return;
    const text = JSON.stringify(record);
    const line = Buffer.from(`${checksum(text)} ${text}\n`);
    try {
      for (let written = 0; written < line.length; ) written += writeSync(this.#journal, line, written);
    } catch {
      this.#failed = true;
      return;
    }
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      fdatasync(this.#journal, () => {});
    }, SYNC_AFTER_MS).unref();
  }
}

/** Names everything that results depend on. */
async function keyOf({ path, format, options }: TranscribeRequest, engine: string): Promise<string> {
  // Of an input that is not there decoding will tell.
  const input = await stat(path).catch(() => undefined);
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  const facts = [CHECKPOINT_VERSION, engine, input?.size, input?.mtimeMs, format, sorted];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

/** The lines of a journal up to the first that is not whole. */
function readLines(journal: number): { readonly records: JournalRecord[]; readonly wholeBytes: number } {
  const bytes = fstatSync(journal).size === 0 ? Buffer.alloc(0) : readFileSync(journal);
  const records: JournalRecord[] = [];
  let from = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
    const line = bytes.toString('utf8', from, end);
    const space = line.indexOf(' ');
    const text = line.slice(space + 1);
    if (space < 0 || line.slice(0, space) !== checksum(text)) break;
    records.push(JSON.parse(text) as JournalRecord);
    from = end + 1;
  }
  return { records, wholeBytes: from };
}

const checksum = (text: string): string => crc32(text).toString(16);

function nameOf(items: readonly FbankRanges[]): string {
  const hash = createHash('sha256');
  for (const item of items) hash.update(`${item.join(' ')}\n`);
  return hash.digest('base64');
}

function toBase64(values: Uint8Array | Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

/** In memory of its own, so that it can be seen as numbers of any size. */
function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'));
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
