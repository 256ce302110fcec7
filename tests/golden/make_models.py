#!/usr/bin/env python3
"""Golden tensors of the networks that embed, each with the loss it is trained with: forward and gradients.

Computed in float64 and stored as float32; inputs and initial parameters are float32 values, hence stored exactly.

  make_models.py [--out DIR]
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from make_unet import DecoderBlock, EncoderBlock

HERE = os.path.dirname(os.path.abspath(__file__))
TRIPLETS, FRAMES = 2, 37
CHANNELS = [2, 3, 4, 5, 6, 10]  # the papers': 16, 32, 64, 128, 256, 512 or 640
PAIRS = [2, 3, 4, 5, 6]  # of Hashizume et al.
BINS, MELS = 65, 40


def mel_filters():
    """librosa's filters [40, 257] for 512 samples at 22.05 kHz, from their own fixture."""
    name = "slaney_area_512"
    with safe_open(os.path.join(HERE, "../fixtures/mel/mel.safetensors"), "pt") as file:
        first, count, weights = (file.get_tensor(f"{name}.{t}") for t in ["first", "count", "weights"])
    bank, at = torch.zeros(MELS, 257), 0
    for row, (start, n) in enumerate(zip(first.tolist(), count.tolist())):
        bank[row, start : start + n] = weights[at : at + n]
        at += n
    return bank


class LogMel(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("bank", mel_filters(), persistent=False)

    def forward(self, magnitude):
        mel = self.bank @ magnitude
        decibel = 20 * torch.log10(mel.clamp_min(1e-5))
        mean = decibel.mean(dim=(1, 2, 3), keepdim=True)
        deviation = decibel.std(dim=(1, 2, 3), keepdim=True)  # unbiased
        return (decibel - mean) / (deviation + 1e-5)


class Bare(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)

    def forward(self, x):
        return self.conv(x)


def encoder(channels):
    pairs = list(zip([1] + channels, channels))
    return nn.ModuleList([EncoderBlock(*pair) for pair in pairs[:-1]] + [Bare(*pairs[-1])])


def halved(n, times=6):
    return n if times == 0 else halved((n + 1) // 2, times - 1)


class Extractor(nn.Module):
    def __init__(self, dimensions=7):
        super().__init__()
        self.log_mel = LogMel()
        self.encoder = encoder(CHANNELS)
        self.linear = nn.Linear(CHANNELS[-1] * halved(MELS), dimensions)

    def forward(self, magnitude):
        x = self.log_mel(magnitude)
        for block in self.encoder:
            x = block(x)
        return self.linear(x.mean(3).flatten(1))


class Decoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        wide, narrow = channels[::-1], channels[-2::-1] + [1]
        self.decoder = nn.ModuleList(
            DecoderBlock(i if k == 0 else 2 * i, o, 0.0, last=k == len(channels) - 1)
            for k, (i, o) in enumerate(zip(wide, narrow))
        )

    def forward(self, x, layers, magnitude):
        skips = [magnitude] + layers[:-1]
        for k, block in enumerate(self.decoder):
            skip = skips[-1 - k]
            x = block(x if k == 0 else torch.cat([x, skips[-k]], dim=1), skip.shape[2:])
        return torch.sigmoid(x) * magnitude


class Direct(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = encoder(CHANNELS)
        self.linear = nn.Linear(CHANNELS[-1] * halved(BINS), CHANNELS[-1])
        self.decoders = nn.ModuleList(Decoder(CHANNELS) for _ in range(5))

    def forward(self, magnitude):
        x, layers = magnitude, []
        for block in self.encoder:
            x = block(x)
            layers.append(x)
        embedding = self.linear(x.mean(3).flatten(1))
        stems = []
        for i, decoder in enumerate(self.decoders):
            mask = torch.zeros_like(x)
            mask[:, 2 * i : 2 * i + 2] = 1
            stems.append(decoder(x * mask, layers, magnitude))
        return embedding, stems


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Hashizume(nn.Module):
    def __init__(self, dimensions=10):
        super().__init__()
        self.log_mel = LogMel()
        widths = [w for pair in PAIRS for w in [pair, pair]]
        self.layers = nn.ModuleList(Layer(*pair) for pair in zip([1] + widths, widths))
        self.linear = nn.Linear(PAIRS[-1] * (MELS >> 5), dimensions)

    def forward(self, magnitude):
        x = self.log_mel(magnitude)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i % 2 == 1:
                x = F.max_pool2d(x, 2)
        return self.linear(x.mean(3).flatten(1))


def triplet(embedding, mask):
    thirds = [mask * x for x in embedding.chunk(3)]
    return F.triplet_margin_loss(*thirds, margin=1.0, eps=1e-6)


def extractor_loss(model, inputs):
    """Clean, Cascade: the triplet loss of all dimensions."""
    embedding = model(inputs["magnitude"])
    return embedding, triplet(embedding, torch.ones_like(embedding[:TRIPLETS]))


def direct_loss(model, inputs):
    """Direct-Reconst: the triplet loss of one sub-space a triplet, and L1 of the five stems."""
    embedding, stems = model(inputs["magnitude"])
    l1 = sum(F.l1_loss(stem, inputs[f"stem{i}"]) for i, stem in enumerate(stems))
    return embedding, triplet(embedding, inputs["mask"]) + l1


def hashizume_loss(model, inputs):
    """Triplet loss of sub-spaces and 0.1 times the norm loss."""
    embedding = model(inputs["magnitude"])
    norms = embedding.view(len(embedding), 5, 2).norm(dim=2)
    presence = torch.sigmoid(norms.log() + inputs["bias"])
    return embedding, triplet(embedding, inputs["mask"]) + 0.1 * F.binary_cross_entropy(presence, inputs["label"])


def mask():
    mask = torch.zeros(TRIPLETS, 10)
    mask[0, 2:4] = mask[1, 8:10] = 1
    return mask


def magnitude(bins):
    return 0.1 + torch.rand(3 * TRIPLETS, 1, bins, FRAMES)


def write(name, model, loss, inputs, out):
    with torch.no_grad():
        for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.weight.add_(0.1 * torch.randn_like(norm.weight))
            norm.bias.add_(0.1 * torch.randn_like(norm.bias))
    tensors = {f"input.{k}": v for k, v in inputs.items()}
    buffers = {k: v for k, v in model.named_buffers() if "running" in k}
    tensors |= {f"param.{k}": v.detach().clone() for k, v in (dict(model.named_parameters()) | buffers).items()}

    def run(dtype):
        model.to(dtype).train()
        model.zero_grad()
        typed = {k: v.to(dtype) for k, v in inputs.items()}
        embedding, value = loss(model, typed)
        value.backward()
        return embedding.detach(), value.detach(), {k: p.grad.clone() for k, p in model.named_parameters()}

    embedding, value, grads = run(torch.float64)
    tensors |= {"output": embedding, "loss": value} | {f"grad.{k}": g for k, g in grads.items()}
    tensors |= {f"after1.{k}": v for k, v in model.named_buffers() if "running" in k}
    tensors = {k: v.detach().float().contiguous() for k, v in tensors.items()}
    single = run(torch.float32)[2]
    live = [k for k in grads if grads[k].abs().max() > 1e-12]
    worst = max(((single[k] - grads[k]).norm() / grads[k].norm()).item() for k in live)
    path = os.path.join(out, f"{name}.safetensors")
    save_file(tensors, path, {"config": json.dumps({"channels": CHANNELS, "pairs": PAIRS, "bins": BINS})})
    print(f"{name}: {os.path.getsize(path)} bytes, loss {value:.6f}, float32 gradients within {worst:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    write("extractor", Extractor(), extractor_loss, {"magnitude": magnitude(257)}, args.out)
    inputs = {"magnitude": magnitude(BINS), "mask": mask()}
    inputs |= {f"stem{i}": inputs["magnitude"] * torch.rand(6, 1, BINS, FRAMES) for i in range(5)}
    write("direct", Direct(), direct_loss, inputs, args.out)
    label = (torch.rand(6, 5) < 0.6).float()
    inputs = {"magnitude": magnitude(257), "mask": mask(), "label": label, "bias": 0.3 * torch.randn(5)}
    write("hashizume", Hashizume(), hashizume_loss, inputs, args.out)
