import { DiaristError } from '../core/errors.ts';
import type { WeightDtype, WeightSource, WeightTensor } from '../core/tensors.ts';
import { elementCount } from './readers/tensor-table.ts';
import { DTYPE_BYTES } from './readers/widen.ts';
import { type WeightPart, type WeightRecipe, whisperRecipes } from './whisper-names.ts';

/** Number of consecutive layers `STEM.0.TAIL`, `STEM.1.TAIL`, … that a source holds. */
export function countLayers(source: WeightSource, nameOf: (index: number) => string): number {
  let count = 0;
  while (source.has(nameOf(count))) count++;
  return count;
}

/**
 * A Whisper checkpoint with transformers' names (`model.encoder.layers.0.self_attn.q_proj.weight`) under the canonical
 * ones of CTranslate2; query, key and value are stacked when they are read. Throws `model_unsupported` where the
 * checkpoint is no Whisper.
 */
export function canonicalWhisperWeights(source: WeightSource, label: string): WeightSource {
  const prefix = ['model.', '', 'whisper.model.'].find((candidate) => source.has(`${candidate}encoder.conv1.weight`));
  if (prefix === undefined) {
    throw new DiaristError(
      'model_unsupported',
      `${label} is not a Whisper model; give one in CTranslate2 or transformers' format.`,
    );
  }
  const layerTail = 'self_attn.out_proj.weight';
  const layers = {
    encoder: countLayers(source, (index) => `${prefix}encoder.layers.${index}.${layerTail}`),
    decoder: countLayers(source, (index) => `${prefix}decoder.layers.${index}.${layerTail}`),
  };
  // The output projection is tied to the embedding and usually not stored.
  const projection = source.has('proj_out.weight') ? 'proj_out.weight' : `${prefix}decoder.embed_tokens.weight`;
  return new RecipeSource(source, whisperRecipes(prefix, layers, projection));
}

class RecipeSource implements WeightSource {
  readonly #source: WeightSource;
  readonly #recipes: ReadonlyMap<string, WeightRecipe>;

  constructor(source: WeightSource, recipes: ReadonlyMap<string, WeightRecipe>) {
    this.#source = source;
    this.#recipes = recipes;
  }

  names(): readonly string[] {
    return [...this.#recipes.keys()].filter((name) => this.has(name));
  }

  has(name: string): boolean {
    return this.#recipes.get(name)?.parts.every((part) => this.#source.has(sourceName(part))) ?? false;
  }

  dims(name: string): readonly number[] {
    const shapes = this.#parts(name).map((part) => this.#source.dims(sourceName(part)));
    const rows = shapes.reduce((sum, shape) => sum + (shape[0] ?? 1), 0);
    return shapes.length === 1 ? shapes[0]! : [rows, ...shapes[0]!.slice(1)];
  }

  dtype(name: string): WeightDtype {
    return this.#source.dtype(sourceName(this.#parts(name)[0]!));
  }

  read(name: string): WeightTensor {
    const parts = this.#parts(name);
    const dims = this.dims(name);
    if (parts.length === 1) return { dims, data: this.#source.read(sourceName(parts[0]!)).data };
    const data = new Float32Array(elementCount(dims));
    let offset = 0;
    for (const part of parts) {
      if ('name' in part) data.set(this.#source.read(part.name).data, offset);
      offset += elementCount(this.#source.dims(sourceName(part)));
    }
    return { dims, data };
  }

  raw(name: string): Uint8Array {
    const parts = this.#parts(name);
    if (parts.length === 1) return this.#source.raw(sourceName(parts[0]!));
    const dtype = this.dtype(name);
    if (parts.some((part) => this.#source.dtype(sourceName(part)) !== dtype)) {
      throw new DiaristError(
        'model_unsupported',
        `The parts of "${name}" are stored in different types; read it instead.`,
      );
    }
    const bytes = new Uint8Array(elementCount(this.dims(name)) * DTYPE_BYTES[dtype]);
    let offset = 0;
    for (const part of parts) {
      // All bits zero is zero in every stored type.
      if ('name' in part) bytes.set(this.#source.raw(part.name), offset);
      offset += elementCount(this.#source.dims(sourceName(part))) * DTYPE_BYTES[dtype];
    }
    return bytes;
  }

  close(): void {
    this.#source.close();
  }

  #parts(name: string): readonly WeightPart[] {
    const recipe = this.#recipes.get(name);
    if (recipe !== undefined) return recipe.parts;
    throw new DiaristError('model_corrupt', `A Whisper model has no weights "${name}".`);
  }
}

const sourceName = (part: WeightPart): string => ('name' in part ? part.name : part.zerosLike);
