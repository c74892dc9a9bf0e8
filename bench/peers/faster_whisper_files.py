"""faster-whisper over many files with one model load, for error rates. Prints one JSON line a file:
{"id", "wall_s", "result": {language, duration, segments:[{start,end,text,words?}]}}. usage: faster_whisper_files.py MODEL < files.json
files.json: [{"id", "path"}]. Batched mode, int8 unless --compute says otherwise, voice-activity filter: the peer's fast path."""
import argparse, json, sys, time
from faster_whisper import WhisperModel, BatchedInferencePipeline
a = argparse.ArgumentParser()
a.add_argument('model'); a.add_argument('--beam', type=int, default=1); a.add_argument('--batch', type=int, default=8)
a.add_argument('--threads', type=int, default=2); a.add_argument('--words', action='store_true')
a.add_argument('--compute', default='int8')
o = a.parse_args()
model = BatchedInferencePipeline(WhisperModel(o.model, device='cpu', compute_type=o.compute, cpu_threads=o.threads))
for item in json.load(sys.stdin):
    started = time.time()
    segments, info = model.transcribe(item['path'], beam_size=o.beam, batch_size=o.batch, vad_filter=True, word_timestamps=o.words)
    result = dict(language=info.language, duration=info.duration, segments=[dict(start=s.start, end=s.end, text=s.text.strip(),
        words=[dict(text=w.word, start=w.start, end=w.end) for w in (s.words or [])]) for s in segments])
    print(json.dumps(dict(id=item['id'], wall_s=round(time.time() - started, 3), result=result)), flush=True)
