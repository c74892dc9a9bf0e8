"""Runs the real wyoming-openai as Home Assistant does: speech goes in by the Wyoming protocol, text comes out.

Arguments: base URL, WAV recording, path of the socket that wyoming-openai is to listen on.
"""

import asyncio
import json
import subprocess
import sys
import wave

from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.info import Describe

FRAMES_A_CHUNK = 1024
START_SECONDS = 40

base_url, recording, socket = sys.argv[1:]
uri = f"unix://{socket}"


async def connect(bridge):
    """Waits until the bridge listens, which it does after it has looked at the server."""
    for _ in range(START_SECONDS * 10):
        if bridge.poll() is not None:
            raise RuntimeError(f"wyoming-openai ended with {bridge.returncode}")
        client = AsyncClient.from_uri(uri)
        try:
            await client.connect()
            return client
        except OSError:
            await asyncio.sleep(0.1)
    raise RuntimeError("wyoming-openai does not listen")


async def transcribe(client, model):
    await client.write_event(Transcribe(name=model, language="en").event())
    with wave.open(recording, "rb") as wav:
        form = {"rate": wav.getframerate(), "width": wav.getsampwidth(), "channels": wav.getnchannels()}
        await client.write_event(AudioStart(**form).event())
        while frames := wav.readframes(FRAMES_A_CHUNK):
            await client.write_event(AudioChunk(audio=frames, **form).event())
    await client.write_event(AudioStop().event())
    chunks = []
    while event := await client.read_event():
        if event.type == "transcript-chunk":
            chunks.append(event.data["text"])
        if event.type in ("transcript", "error"):
            return {"type": event.type, "text": event.data.get("text"), "chunks": chunks}
    raise RuntimeError("wyoming-openai hung up")


async def main():
    command = [sys.executable, "-m", "wyoming_openai", "--uri", uri, "--stt-openai-url", base_url]
    command += ["--stt-openai-key", "any", "--languages", "en", "--stt-models", "whisper-1"]
    command += ["--stt-streaming-models", "gpt-4o-mini-transcribe"]
    bridge = subprocess.Popen(command, stdout=sys.stderr)
    answers = {}
    try:
        client = await connect(bridge)
        await client.write_event(Describe().event())
        info = await client.read_event()
        answers["models"] = sorted(model["name"] for program in info.data["asr"] for model in program["models"])
        await client.disconnect()
        for name, model in (("whole", "whisper-1"), ("streamed", "gpt-4o-mini-transcribe")):
            client = await connect(bridge)
            answers[name] = await asyncio.wait_for(transcribe(client, model), 60)
            await client.disconnect()
    finally:
        bridge.terminate()
        bridge.wait()
    print(json.dumps(answers))


asyncio.run(main())
