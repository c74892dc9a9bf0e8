"""What programs ask litellm for. Arguments: base URL, recording of two speakers, file that is no recording."""

import json
import os
import sys

# Its table of prices comes with it; fetching a newer one at import fails where only package registries are in reach.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

base_url, recording, noise = sys.argv[1:]
common = {"model": "openai/whisper-1", "api_base": base_url, "api_key": "any"}


def audio():
    return open(recording, "rb")


answers = {"json": litellm.transcription(file=audio(), **common).text}
verbose = litellm.transcription(
    file=audio(), response_format="verbose_json", timestamp_granularities=["word"], **common
)
answers["verbose"] = {
    "language": verbose["language"],
    "duration": float(verbose["duration"]),
    "words": [word["word"] for word in verbose["words"]],
}
answers["srt"] = litellm.transcription(file=audio(), response_format="srt", **common).text
try:
    litellm.transcription(file=open(noise, "rb"), **common)
    answers["error"] = None
except Exception as error:  # litellm passes on classes of its own and of the openai package
    answers["error"] = {"class": type(error).__name__, "status": error.status_code, "message": str(error)}
print(json.dumps(answers))
