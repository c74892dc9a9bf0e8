"""sherpa-onnx diarization on one 16 kHz mono WAV; prints one JSON line like the other peers' runners (bench/README.md)."""
import argparse, json, os, resource, time
import sherpa_onnx, soundfile
a = argparse.ArgumentParser()
a.add_argument('file'); a.add_argument('--out'); a.add_argument('--threads', type=int, default=2); a.add_argument('--threshold', type=float, default=0.5)
a.add_argument('--segmentation', required=True); a.add_argument('--embedding', required=True); o = a.parse_args()
diarizer = sherpa_onnx.OfflineSpeakerDiarization(sherpa_onnx.OfflineSpeakerDiarizationConfig(
    segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(
        pyannote=sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(model=o.segmentation), num_threads=o.threads),
    embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=o.embedding, num_threads=o.threads),
    clustering=sherpa_onnx.FastClusteringConfig(num_clusters=-1, threshold=o.threshold), min_duration_on=0.3, min_duration_off=0.5))
audio, rate = soundfile.read(o.file, dtype='float32'); assert rate == 16000 and audio.ndim == 1, 'needs 16 kHz mono'
c0, t0 = time.process_time(), time.time()
turns = diarizer.process(audio).sort_by_start_time()
wall, cpu, name = time.time() - t0, time.process_time() - c0, os.path.splitext(os.path.basename(o.file))[0]
if o.out:
    open(o.out, 'w').writelines(f'SPEAKER {name} 1 {t.start:.3f} {t.end - t.start:.3f} <NA> <NA> SPEAKER_{t.speaker:02d} <NA> <NA>\n' for t in turns)
print(json.dumps(dict(peer='sherpa-onnx', version='2.0.1', file=os.path.basename(o.file), audio_s=len(audio) / rate, wall_s=round(wall, 2),
    rtfx=round(len(audio) / rate / wall, 1), cpu_s=round(cpu, 1), peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    model='segmentation-3.0 + CAM++', settings=dict(threshold=o.threshold, threads=o.threads))))
