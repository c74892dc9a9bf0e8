// The import table of docs/architecture.md, as rules. A folder that is not named here has no rule: name it.

const TEST = '\\.test\\.ts$|/fixtures/';

/** `folder` may import itself, what stands in `allowed`, Node and packages; nothing else of src. */
function mayImport(folder, allowed) {
  const self = `^src/${folder}/`;
  return {
    name: `${folder.replaceAll('/', '-')}-imports`,
    comment: `src/${folder} may import: ${allowed.join(', ') || 'nothing of ours'} (docs/architecture.md).`,
    severity: 'error',
    from: { path: self, pathNot: TEST },
    to: { path: '^src/', pathNot: [self, ...allowed.map((name) => `^src/${name}`)] },
  };
}

const PURE_AUDIO_FEATURES = 'audio/(log-mel|fbank|fft)';
const stages = ['vad', 'asr', 'alignment', 'diarization'];

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Modules that need each other are one module, or miss a third one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that cannot be found.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-tests-in-production',
      severity: 'error',
      from: { pathNot: TEST },
      to: { path: '\\.test\\.ts$' },
    },
    {
      name: 'no-development-packages',
      comment: 'What runs at a user must stand in dependencies.',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    mayImport('core', []),
    mayImport('transcript', ['core/']),
    mayImport('config', ['core/']),
    mayImport('audio', ['core/']),
    mayImport('models', ['core/']),
    mayImport('inference', ['core/', PURE_AUDIO_FEATURES]),
    ...stages.map((stage) => mayImport(`engine/${stage}`, ['core/', 'audio/', 'inference/', 'transcript/'])),
    mayImport('pipeline', ['engine/', 'inference/', 'audio/', 'models/', 'transcript/', 'core/']),
    mayImport('host', ['pipeline/', 'config/', 'core/', 'transcript/']),
    {
      name: 'host-parent-runs-no-pipeline',
      comment: 'Outside the child, src/host may use only types of the pipeline: the parent never runs inference.',
      severity: 'error',
      from: { path: '^src/host/', pathNot: [TEST, '^src/host/child'] },
      to: { path: '^src/pipeline/', dependencyTypesNot: ['type-only'] },
    },
    mayImport('jobs', ['host/', 'transcript/', 'core/', 'config/', 'pipeline/types', 'audio/download']),
    {
      name: 'jobs-use-only-types-of-the-pipeline',
      comment: 'Inference happens in the engine process; jobs and server only know what is asked and answered.',
      severity: 'error',
      from: { path: '^src/(jobs|server)/', pathNot: TEST },
      to: { path: '^src/(pipeline|engine|inference)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'server-knows-no-command-line',
      severity: 'error',
      from: { path: '^src/server/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'only-dialects-know-a-wire-format',
      comment: 'A dialect is registered by the app and used by nothing else; dialects do not know each other.',
      severity: 'error',
      from: { path: '^src/', pathNot: [TEST, '^src/server/dialects/', '^src/server/app\\.ts$'] },
      to: { path: '^src/server/dialects/' },
    },
    ...['openai', 'asr', 'speakers', 'jobs'].map((dialect) => ({
      name: `dialect-${dialect}-is-on-its-own`,
      comment: 'What two dialects share stands in src/server.',
      severity: 'error',
      from: { path: `^src/server/dialects/${dialect}/`, pathNot: TEST },
      to: { path: '^src/server/dialects/', pathNot: `^src/server/dialects/${dialect}/` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
