import type { SettingName } from './settings.ts';

/** What a variable of another server means here; `note` tells the person where that is not quite the same. */
export interface ReferenceValue {
  readonly text?: string;
  readonly note?: string;
}

interface ReferenceVariable {
  readonly variable: string;
  readonly setting: SettingName;
  translate(value: string): ReferenceValue;
}

const asItIs = (value: string): ReferenceValue => ({ text: value });

function device(value: string): ReferenceValue {
  const wanted = value.toLowerCase();
  if (wanted === 'cpu' || wanted === 'auto') return { text: wanted };
  return { text: 'auto', note: `"${value}" is taken as auto: a GPU where this machine has one, else the processor` };
}

function computeType(value: string): ReferenceValue {
  const wanted = value.toLowerCase();
  if (['auto', 'int8', 'float32'].includes(wanted)) return { text: wanted };
  return { text: 'auto', note: `"${value}" is taken as auto: float16 on a GPU, int8 on a processor` };
}

/** The longest time that a timer takes, in seconds: 24 days. */
const PRACTICALLY_NEVER_SECONDS = '2147483';

/**
 * Variables of the servers that Diarist stands in for, so that their containers can be replaced as they are set up: our
 * own variables go before them. Sources: murtaza-nasir/whisperx-asr-service (.env.example, docker-compose.yml),
 * ahmetoner/whisper-asr-webservice (app/config.py, docs/environmental-variables.md). `HF_TOKEN` and `HF_HOME` are read
 * by the model store.
 */
export const REFERENCE_VARIABLES: readonly ReferenceVariable[] = [
  { variable: 'WHISPER_MODEL', setting: 'model', translate: asItIs },
  { variable: 'ASR_MODEL', setting: 'model', translate: asItIs },
  { variable: 'PRELOAD_MODEL', setting: 'preloadModels', translate: asItIs },
  // Who preloads a model means to use it.
  { variable: 'PRELOAD_MODEL', setting: 'model', translate: asItIs },
  { variable: 'DEVICE', setting: 'device', translate: device },
  { variable: 'ASR_DEVICE', setting: 'device', translate: device },
  { variable: 'COMPUTE_TYPE', setting: 'computeType', translate: computeType },
  { variable: 'ASR_QUANTIZATION', setting: 'computeType', translate: computeType },
  { variable: 'BATCH_SIZE', setting: 'batchSize', translate: asItIs },
  {
    variable: 'MAX_FILE_SIZE_MB',
    setting: 'maxUploadBytes',
    translate: (value) => ({ text: `${value} MiB` }),
  },
  {
    variable: 'MODEL_IDLE_TIMEOUT',
    setting: 'idleSeconds',
    // There 0 means never; here it means at once.
    translate: (value) => ({ text: value === '0' ? PRACTICALLY_NEVER_SECONDS : value }),
  },
  { variable: 'CACHE_DIR', setting: 'cacheDir', translate: asItIs },
  { variable: 'ASR_MODEL_PATH', setting: 'cacheDir', translate: asItIs },
];
