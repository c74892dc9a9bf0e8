/**
 * Where a canonical (CTranslate2) Whisper tensor comes from in a checkpoint with transformers' names: parts that are
 * stacked along the first axis. A `zeros` part has the shape of the bias it stands beside (Whisper's keys have none).
 */
export interface WeightRecipe {
  readonly parts: readonly WeightPart[];
}

export type WeightPart = { readonly name: string } | { readonly zerosLike: string };

const part = (name: string): WeightPart => ({ name });

/**
 * Recipes of every canonical Whisper tensor, by canonical name. `prefix` is what stands before `encoder.` and
 * `decoder.` in the checkpoint (`model.` or nothing). Source: ctranslate2/converters/transformers.py, WhisperLoader,
 * BartLoader and `fuse_linear`; transformers/models/whisper/modeling_whisper.py.
 */
export function whisperRecipes(
  prefix: string,
  layers: { readonly encoder: number; readonly decoder: number },
  projection: string,
): Map<string, WeightRecipe> {
  const recipes = new Map<string, WeightRecipe>();
  const single = (canonical: string, source: string) => recipes.set(canonical, { parts: [part(source)] });
  const linear = (canonical: string, source: string) => {
    single(`${canonical}/weight`, `${source}.weight`);
    single(`${canonical}/bias`, `${source}.bias`);
  };
  const norm = (canonical: string, source: string) => {
    single(`${canonical}/gamma`, `${source}.weight`);
    single(`${canonical}/beta`, `${source}.bias`);
  };
  const fused = (canonical: string, attention: string, kinds: readonly ('q' | 'k' | 'v')[]) => {
    recipes.set(`${canonical}/weight`, { parts: kinds.map((kind) => part(`${attention}.${kind}_proj.weight`)) });
    recipes.set(`${canonical}/bias`, {
      parts: kinds.map((kind) =>
        kind === 'k' ? { zerosLike: `${attention}.v_proj.bias` } : part(`${attention}.${kind}_proj.bias`),
      ),
    });
  };
  const selfAttention = (canonical: string, source: string) => {
    norm(`${canonical}/layer_norm`, `${source}_layer_norm`);
    fused(`${canonical}/linear_0`, source, ['q', 'k', 'v']);
    linear(`${canonical}/linear_1`, `${source}.out_proj`);
  };
  const feedForward = (canonical: string, layer: string) => {
    norm(`${canonical}/layer_norm`, `${layer}.final_layer_norm`);
    linear(`${canonical}/linear_0`, `${layer}.fc1`);
    linear(`${canonical}/linear_1`, `${layer}.fc2`);
  };

  for (const side of ['encoder', 'decoder'] as const) {
    single(`${side}/position_encodings/encodings`, `${prefix}${side}.embed_positions.weight`);
    norm(`${side}/layer_norm`, `${prefix}${side}.layer_norm`);
    for (let index = 0; index < layers[side]; index++) {
      const canonical = `${side}/layer_${index}`;
      const source = `${prefix}${side}.layers.${index}`;
      selfAttention(`${canonical}/self_attention`, `${source}.self_attn`);
      if (side === 'decoder') {
        norm(`${canonical}/attention/layer_norm`, `${source}.encoder_attn_layer_norm`);
        linear(`${canonical}/attention/linear_0`, `${source}.encoder_attn.q_proj`);
        fused(`${canonical}/attention/linear_1`, `${source}.encoder_attn`, ['k', 'v']);
        linear(`${canonical}/attention/linear_2`, `${source}.encoder_attn.out_proj`);
      }
      feedForward(`${canonical}/ffn`, source);
    }
  }
  linear('encoder/conv1', `${prefix}encoder.conv1`);
  linear('encoder/conv2', `${prefix}encoder.conv2`);
  single('decoder/embeddings/weight', `${prefix}decoder.embed_tokens.weight`);
  single('decoder/projection/weight', projection);
  return recipes;
}
