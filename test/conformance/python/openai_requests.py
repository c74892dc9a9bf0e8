"""What programs ask the openai package for; one JSON object on standard output says what they got.

Arguments: base URL, recording of two speakers, file that is no recording.
"""

import json
import sys

import openai

base_url, recording, noise = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key="any")
transcriptions = client.audio.transcriptions
answers = {"version": openai.__version__}


def audio():
    return open(recording, "rb")


answers["json"] = transcriptions.create(model="whisper-1", file=audio()).text
for name in ("text", "srt", "vtt"):
    answers[name] = transcriptions.create(model="whisper-1", file=audio(), response_format=name)

verbose = transcriptions.create(
    model="whisper-1",
    file=audio(),
    response_format="verbose_json",
    timestamp_granularities=["word", "segment"],
)
answers["verbose"] = {
    "language": verbose.language,
    "duration": float(verbose.duration),
    "segments": len(verbose.segments),
    "words": [word.word for word in verbose.words],
}

for name, strategy in (("auto", "auto"), ("object", {"type": "server_vad", "threshold": 0.5})):
    diarized = transcriptions.create(
        model="gpt-4o-transcribe-diarize",
        file=audio(),
        response_format="diarized_json",
        chunking_strategy=strategy,
    )
    answers["diarized_" + name] = sorted({segment.speaker for segment in diarized.segments})

with_logprobs = transcriptions.create(
    model="gpt-4o-transcribe", file=audio(), response_format="json", include=["logprobs"]
)
answers["logprobs"] = [entry.logprob for entry in with_logprobs.logprobs]

deltas, done = [], None
for event in transcriptions.create(model="gpt-4o-mini-transcribe", file=audio(), stream=True):
    if event.type == "transcript.text.delta":
        deltas.append(event.delta)
    elif event.type == "transcript.text.done":
        done = event.text
answers["stream"] = {"deltas": "".join(deltas), "done": done}

answers["translation"] = client.audio.translations.create(model="whisper-1", file=audio()).text
answers["models"] = [model.id for model in client.models.list().data]
answers["created"] = client.models.retrieve("whisper-1").created

errors = {}
for name, call in {
    "undecodable": lambda: transcriptions.create(model="whisper-1", file=open(noise, "rb")),
    "temperature": lambda: transcriptions.create(model="whisper-1", file=audio(), temperature=7),
    "missing_model": lambda: client.models.retrieve("none"),
    "speech": lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="Hello."),
}.items():
    try:
        call()
        errors[name] = None
    except openai.APIStatusError as error:
        errors[name] = {
            "class": type(error).__name__,
            "status": error.status_code,
            "param": error.param,
            "code": error.code,
            "message": error.message,
        }
answers["errors"] = errors

# Impatient: gives up long before the recording is done, and tries again until it is.
impatient = openai.OpenAI(base_url=base_url, api_key="any", timeout=0.8, max_retries=40)
answers["impatient"] = impatient.audio.transcriptions.create(
    model="whisper-1", file=("impatient.wav", audio()), prompt="Two people on the telephone."
).text

print(json.dumps(answers))
