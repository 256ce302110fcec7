#!/usr/bin/env python3
"""Golden tensors of every training stage: from 16-bit samples to the loss, its gradients, the running statistics.

Each stage is what the papers say it is, in plain PyTorch, at a tiny size. Computed in float64 and stored as float32;
samples are whole numbers and initial parameters float32 values, hence stored exactly.

  make_stages.py [--out DIR]
"""
import argparse
import copy
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from make_losses import supervised_contrast
from make_unet import DecoderBlock, EncoderBlock

HERE = os.path.dirname(os.path.abspath(__file__))
INSTRUMENTS = ["drums", "bass", "piano", "guitar", "residuals"]
RATE, SIZE, HOP, SAMPLES, MELS = 8000, 256, 32, 2080, 65
BINS = SIZE // 2 + 1
TRIPLETS = 2
TRIPLET = [ANCHOR, POSITIVE, NEGATIVE] = [0, 1, 2]  # blocks of the sounds
PARTIAL = 3
CHANNELS = [1, 2, 3, 6, 12, 24]  # the papers' 16, 32, 64, 128, 256, 512, times 3/64
PAIRS = [2, 3, 6, 12, 24]  # 32, 64, 128, 256, 512, likewise
MARGIN, NORM_WEIGHT = 0.2, 0.1
TEMPERATURE, PRESENCE_WEIGHT = 0.1, 0.1
SETTINGS = [
    f"front_end.sample_rate={RATE}", f"front_end.stft_size={SIZE}", f"front_end.stft_hop={HOP}",
    f"front_end.mels={MELS}", "network.width=0.046875", f"data.segment_seconds={SAMPLES / RATE}",
    f"training.knn_seconds={SAMPLES / RATE}",
]


# ---- what is heard

def sounds():
    """16-bit stems [block, triplet, instrument, sample]: decaying tones, drums of noise, one stem that hardly sounds;
    in the last block some stems are silent."""
    t = torch.arange(SAMPLES) / RATE
    out = torch.zeros(4, TRIPLETS, 5, SAMPLES, dtype=torch.int16)
    for block in range(4):
        for triplet in range(TRIPLETS):
            for source in range(5):
                base, level, decay, phase = torch.rand(4).tolist()
                noise = torch.randn(SAMPLES)
                low = [0, 50, 200, 300, 600][source]
                tone = sum(torch.sin(2 * math.pi * ((1 + base) * low * h * t + phase * h)) / h for h in range(1, 5))
                if source == 0:
                    beat = ((t * (8 + 8 * base) + phase) % 1)
                    tone = noise * torch.exp(-6 * (1 + decay) * beat)
                x = (0.05 + 0.15 * level) * torch.exp(-4 * decay * t) * tone + 0.03 * noise
                if (block, triplet, source) == (ANCHOR, 1, 2):
                    x *= 0.02
                if (block, triplet, source) in [(PARTIAL, 0, 0), (PARTIAL, 0, 3), (PARTIAL, 1, 1), (PARTIAL, 1, 2),
                                                (PARTIAL, 1, 4)]:
                    x *= 0
                out[block, triplet, source] = (x * 32768).round().clamp(-32768, 32767).short()
    return out


def magnitude(samples, dtype):
    """|STFT| of samples [N, sources, samples], summed: periodic Hann window, centred, reflected. [N, 1, F, T]"""
    x = samples.to(dtype).sum(1) / 32768
    window = torch.hann_window(SIZE, periodic=True, dtype=torch.float64).to(dtype)
    return torch.stft(x, SIZE, HOP, window=window, center=True, pad_mode="reflect", return_complex=True).abs()[:, None]


# ---- networks

def mel_filters():
    """Slaney's triangles: linear to 1 kHz, then 27 mels for a factor of 6.4; each of unit area. Float32
    values, as librosa's are. [mels, bins]"""
    hertz = lambda m: m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27)
    top = 15 + 27 * math.log(RATE / 2 / 1000, 6.4)
    corners = [hertz(top * i / (MELS + 1)) for i in range(MELS + 2)]
    bank = torch.zeros(MELS, BINS, dtype=torch.float64)
    for m, (low, peak, high) in enumerate(zip(corners, corners[1:], corners[2:])):
        for k in range(BINS):
            f = k * RATE / SIZE
            bank[m, k] = 2 / (high - low) * max(0, min((f - low) / (peak - low), (high - f) / (high - peak)))
    assert (bank.sum(1) > 0).all()
    return bank.float().double()


class LogMel(nn.Module):
    def forward(self, magnitude):
        mel = mel_filters().to(magnitude.dtype) @ magnitude
        decibel = 20 * torch.log10(mel.clamp_min(1e-5))
        mean = decibel.mean(dim=(1, 2, 3), keepdim=True)
        return (decibel - mean) / (decibel.std(dim=(1, 2, 3), keepdim=True) + 1e-5)  # unbiased


class Bare(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)

    def forward(self, x):
        return self.conv(x)


def encoder(channels, bare, inputs=1):
    pairs = list(zip([inputs] + channels, channels))
    blocks = [EncoderBlock(*pair) for pair in pairs]
    if bare:
        blocks[-1] = Bare(*pairs[-1])
    return nn.ModuleList(blocks)


def encode(blocks, x):
    layers = []
    for block in blocks:
        x = block(x)
        layers.append(x)
    return layers


def halved(n, times=6):
    return n if times == 0 else halved((n + 1) // 2, times - 1)


class Decoder(nn.Module):
    """Five deconvolutions with norm, one without; all but the first see the encoder's layer of their size."""

    def __init__(self, channels, outputs=1):
        super().__init__()
        wide, narrow = channels[::-1], channels[-2::-1] + [outputs]
        self.decoder = nn.ModuleList(
            DecoderBlock(i if k == 0 else 2 * i, o, 0.0, last=k == len(channels) - 1)
            for k, (i, o) in enumerate(zip(wide, narrow))
        )

    def forward(self, bottleneck, layers, magnitude):
        return self.masks(self.logits(bottleneck, layers, magnitude)) * magnitude

    def logits(self, bottleneck, layers, heard):
        targets = layers[-2::-1] + [heard]
        x = bottleneck
        for k, (block, target) in enumerate(zip(self.decoder, targets)):
            if k > 0:
                x = torch.cat([x, targets[k - 1]], dim=1)
            x = block(x, target.shape[2:])
        return x

    def masks(self, logits):
        return torch.sigmoid(logits)


class Separator(Decoder):
    def __init__(self, outputs=1):
        super().__init__(CHANNELS, outputs)
        self.encoder = encoder(CHANNELS, bare=False)

    def forward(self, magnitude):
        layers = encode(self.encoder, magnitude)
        return super().forward(layers[-1], layers, magnitude)


def band_places(bins, bands):
    """Where each bin lies among bands: at the bottom as it is, above a knee by its logarithm, with one slope there."""
    last = bins - 1
    place = lambda k, knee: k if k <= knee else knee + knee * math.log(k / knee)
    knee = next((knee for knee in range(1, last) if place(last, knee) >= bands - 1), last)
    return [min(place(k, knee) * (bands - 1) / place(last, knee), bands - 1) for k in range(bins)]


class Bands(nn.Module):
    """Means over triangular bands of a magnitude, in decibels, normalised each; and how high each band is, -1 to 1."""

    FLOOR = 0.5

    def __init__(self, bins, bands):
        super().__init__()
        places = torch.tensor(band_places(bins, bands), dtype=torch.float64)
        shares = (1 - (places - torch.arange(bands)[:, None]).abs()).clamp_min(0)
        # values in float32, as kernels have them
        self.means = (shares / shares.sum(1, keepdim=True)).float().double()
        self.interpolation = shares.t().contiguous().float().double()
        self.norm = nn.BatchNorm1d(bands)

    def forward(self, magnitude):
        bands = (self.means.to(magnitude.dtype) @ magnitude).clamp_min(self.FLOOR)
        image = self.norm(20 * torch.log10(bands)[:, 0])[:, None]
        height = torch.linspace(-1, 1, image.shape[2], dtype=image.dtype)[:, None]
        return torch.cat([image, height.expand(image.shape)], dim=1)


class JointSeparator(Separator):
    """The masks of all instruments add up to one. With bands, it hears and masks these."""

    def __init__(self, bands=0):
        super().__init__(5)
        if bands:
            hearing = Bands(BINS, bands)
            self.hearing, self.bands = [hearing], hearing.norm  # only the norm has parameters
            self.encoder = encoder(CHANNELS, bare=False, inputs=2)

    def forward(self, magnitude):
        if not hasattr(self, "hearing"):
            return super().forward(magnitude)
        image = self.hearing[0](magnitude)
        layers = encode(self.encoder, image)
        logits = self.hearing[0].interpolation.to(image.dtype) @ self.logits(layers[-1], layers, image)
        return self.masks(logits) * magnitude

    def masks(self, logits):
        return torch.softmax(logits, dim=1)


class Extractor(nn.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.log_mel = LogMel()
        self.encoder = encoder(CHANNELS, bare=True)
        self.linear = nn.Linear(CHANNELS[-1] * halved(MELS), dimensions)

    def forward(self, magnitude):
        x = encode(self.encoder, self.log_mel(magnitude))[-1]
        return self.linear(x.mean(3).flatten(1))


class Cascade(nn.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.separator, self.extractor = Separator(), Extractor(dimensions)

    def forward(self, magnitude):
        estimate = self.separator(magnitude)
        return self.extractor(estimate), estimate


class Direct(nn.Module):
    def __init__(self, dimensions, reconstruct=False):
        super().__init__()
        channels = CHANNELS[:5] + [5 * dimensions]
        self.dimensions = dimensions
        self.encoder = encoder(channels, bare=True)
        self.linear = nn.Linear(channels[-1] * halved(BINS), channels[-1])
        self.decoders = nn.ModuleList(Decoder(channels) for _ in range(5 if reconstruct else 0))

    def forward(self, magnitude):
        layers = encode(self.encoder, magnitude)
        embedding = self.linear(layers[-1].mean(3).flatten(1))
        stems = []
        for c, decoder in enumerate(self.decoders):
            own = torch.zeros_like(layers[-1])
            own[:, c * self.dimensions : (c + 1) * self.dimensions] = 1  # Conditioning3D
            stems.append(decoder(layers[-1] * own, layers, magnitude))
        return embedding, stems


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Hashizume(nn.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.log_mel = LogMel()
        widths = [w for pair in PAIRS for w in [pair, pair]]
        self.layers = nn.ModuleList(Layer(*pair) for pair in zip([1] + widths, widths))
        self.linear = nn.Linear(PAIRS[-1] * (MELS >> 5), 5 * dimensions)

    def forward(self, magnitude):
        x = self.log_mel(magnitude)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i % 2 == 1:
                x = F.max_pool2d(x, 2)
        return self.linear(x.mean(3).flatten(1)), []


class Contrast(nn.Module):
    """Vectors of length one, and the logits of what sounds."""

    def __init__(self, dimensions):
        super().__init__()
        channels = CHANNELS[:5] + [5 * dimensions]
        self.log_mel = LogMel()
        self.encoder = encoder(channels, bare=True)
        features = channels[-1] * halved(MELS)
        self.linear, self.presence = nn.Linear(features, channels[-1]), nn.Linear(features, 5)
        self.centre = nn.BatchNorm1d(channels[-1])

    def forward(self, magnitude):
        features = encode(self.encoder, self.log_mel(magnitude))[-1].mean(3).flatten(1)
        embedding = self.centre(self.linear(features))
        return F.normalize(embedding.unflatten(1, (5, -1)), dim=2), self.presence(features)


# ---- losses

def hinges(anchor, positive, negative):
    """max(0, d(a, p) − d(a, n) + margin), where d = ‖x − y + 1e-6‖₂ of what is not normalised"""
    return F.triplet_margin_loss(anchor, positive, negative, margin=MARGIN, p=2, eps=1e-6, reduction="none")


def subspace(instrument, dimensions):
    mask = torch.zeros(5, dimensions)
    if instrument is not None:
        mask[INSTRUMENTS.index(instrument)] = 1
    return mask.flatten()


def conditions(basic, additional, dimensions):
    """Masks (Conditioning1D) and weights of basic and additional triplets; None: there is none."""
    both = basic + additional
    return {"masks": torch.stack([subspace(c, dimensions) for c in both]),
            "weights": torch.tensor([float(c is not None) for c in both])}


def weighted_triplets(embedding, masks, weights):
    """(a, p, n) under the basic condition and (a, n, p) under the additional one, as one mean."""
    a, p, n = embedding[: 3 * TRIPLETS].chunk(3)
    basic, additional = masks.chunk(2)
    basic = hinges(basic * a, basic * p, basic * n)
    additional = hinges(additional * a, additional * n, additional * p)
    return (weights * torch.cat([basic, additional])).sum() / weights.sum()


def norm_loss(embedding, bias, sounding):
    """BCE of σ(log‖f m_j‖₂ + b_j), mean over instruments and inputs"""
    norms = embedding.unflatten(1, (5, -1)).norm(dim=2)
    return F.binary_cross_entropy(torch.sigmoid(norms.log() + bias), sounding)


def stem(samples, instrument, dtype):
    c = INSTRUMENTS.index(instrument)
    return magnitude(samples[:, c : c + 1], dtype)


def powerful(samples):
    """"Sounding": a mean power above 1e-4. [N, 5]"""
    return ((samples.double() / 32768).square().mean(2) > 1e-4).float()


# ---- stages: (model, inputs, samples, dtype) → the loss and its parts. L1 parts are means over bins, summed over inputs.

def separation(instrument):
    def loss(model, inputs, samples, dtype):
        estimate = model(magnitude(samples, dtype))
        return F.l1_loss(estimate, stem(samples, instrument, dtype)), {}
    return loss


def joint_separation(model, inputs, samples, dtype):
    heard = samples * inputs["gains"][:, :, None]
    estimates = model(magnitude(heard, dtype))
    l1 = [F.l1_loss(estimates[:, c : c + 1], stem(heard, name, dtype)) for c, name in enumerate(INSTRUMENTS)]
    return sum(l1), {}


def joint_separation_by_roots(model, inputs, samples, dtype):
    heard = samples * inputs["gains"][:, :, None]
    estimates = model(magnitude(heard, dtype))
    stems = torch.cat([stem(heard, name, dtype) for name in INSTRUMENTS], dim=1)
    return ((estimates - stems).square().mean((2, 3)) + 1e-6).sqrt().sum(1).mean(), {}


def clean(instrument):
    def loss(model, inputs, samples, dtype):
        return hinges(*model(stem(samples, instrument, dtype)).chunk(3)).mean(), {}
    return loss


def cascade(instrument, with_l1):
    def loss(model, inputs, samples, dtype):
        embedding, estimate = model(magnitude(samples, dtype))
        triplet = hinges(*embedding.chunk(3)).mean()
        if not with_l1:
            return triplet, {}
        target = stem(samples, instrument, dtype)
        # on anchor, positive and negative, each a mean over the batch
        of_each = [F.l1_loss(e, t) for e, t in zip(estimate.chunk(3), target.chunk(3))]
        return triplet + sum(of_each), {"triplet": triplet, "l1": sum(of_each)}
    return loss


def targets(model, inputs, samples, dtype):
    embedding, _ = model(magnitude(samples, dtype))
    vectors = [model.clean[name](stem(samples, name, dtype)) for name in INSTRUMENTS]
    target = F.normalize(torch.cat(vectors, dim=1) * inputs["sounding"], dim=1)
    return F.mse_loss(embedding, target), {}


def all_instruments(model, inputs, samples, dtype):
    embedding, stems = model(magnitude(samples, dtype))
    total = triplet = weighted_triplets(embedding, inputs["masks"], inputs["weights"])
    parts = {"triplet": triplet}
    if stems:
        l1 = 0
        for name, estimate in zip(INSTRUMENTS, stems):
            for e, t in zip(estimate.chunk(3), stem(samples, name, dtype).chunk(3)):
                l1 = l1 + F.l1_loss(e, t)
        total, parts["l1"] = total + l1, l1
    if "sounding" in inputs:
        norm = norm_loss(embedding, model.norm_loss.bias, inputs["sounding"])
        total, parts["norm"] = total + NORM_WEIGHT * norm, norm
    return total, parts if len(parts) > 1 else {}


def condition_alone(triplets):
    """Direct-Reconst as the published code: of each triplet, basic or additional, one stem, that of its condition, from
    each of its members; their L1 is summed over the members, and its mean taken over triplets."""
    def loss(model, inputs, samples, dtype):
        embedding, stems = model(magnitude(samples, dtype))
        triplet = weighted_triplets(embedding, inputs["masks"], inputs["weights"])
        # a decoder that no triplet asks for has a gradient of 0, not none
        l1 = 0 * sum(estimate.sum() for estimate in stems)
        for example, name in triplets:
            estimate, target = stems[INSTRUMENTS.index(name)], stem(samples, name, dtype)
            for member in range(3):
                item = member * TRIPLETS + example
                l1 = l1 + F.l1_loss(estimate[item], target[item]) / len(triplets)
        return triplet + l1, {"triplet": triplet, "l1": l1}
    return loss


def contrast(model, inputs, samples, dtype):
    vectors, logits = model(magnitude(samples * inputs["gains"][:, :, None], dtype))
    value = supervised_contrast(vectors, inputs["labels"], TEMPERATURE)
    presence = F.binary_cross_entropy_with_logits(logits, inputs["sounding"])
    return value + PRESENCE_WEIGHT * presence, {"contrast": value, "presence": presence}


class Bias(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(0.5 * torch.randn(5))


def with_norm_loss(model):
    model.norm_loss = Bias()
    return model


def with_clean(model, dimensions):
    model.clean = nn.ModuleDict({name: Extractor(dimensions) for name in INSTRUMENTS})
    return model


# ---- fixtures

def settle(model, loss, inputs, samples):
    """As after some training: norms and running statistics off 0 and 1, embeddings apart from each other."""
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.mul_(1 + 0.2 * torch.randn_like(module.weight))
                module.bias.add_(0.2 * torch.randn_like(module.bias))
            if isinstance(module, nn.Linear):
                module.weight.mul_(4)
        model.train()
        for _ in range(20):
            loss(model, inputs, samples, torch.float32)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.add_(0.1 * torch.randn_like(module.running_mean) * module.running_var.sqrt())
                module.running_var.mul_(0.8 + 0.4 * torch.rand_like(module.running_var))


def write(name, model, loss, samples, blocks, out, *, instrument=None, frozen=(), given=None, settings=()):
    """Blocks of a triplet's roles are one example for each triplet; of one input, every item is an example."""
    inputs = given or {}
    heard = samples[blocks].flatten(0, 1)
    settle(model, loss, inputs, heard)
    for part in frozen:
        model.get_submodule(part).requires_grad_(False)
    tensors = {f"input.{k}": v for k, v in inputs.items()}
    running = lambda model: {k: v for k, v in model.named_buffers() if "running" in k}
    tensors |= {f"param.{k}": v.detach().clone() for k, v in (dict(model.named_parameters()) | running(model)).items()}

    def run(dtype):
        own = copy.deepcopy(model).to(dtype)
        typed = {k: v.to(dtype) for k, v in inputs.items()}
        evaluate = lambda: loss(own.eval(), typed, heard, dtype)[0].detach()
        before = evaluate()
        own.train()
        for part in frozen:
            own.get_submodule(part).eval()
        value, parts = loss(own, typed, heard, dtype)
        value.backward()
        grads = {k: p.grad for k, p in own.named_parameters() if p.requires_grad}
        assert all(g is not None for g in grads.values()), [k for k, g in grads.items() if g is None]
        assert all(p.grad is None for p in own.parameters() if not p.requires_grad)
        after = {k: v.clone() for k, v in running(own).items()}
        return {"loss": value, "eval.before": before, "eval.after": evaluate()} | {
            f"part.{k}": v for k, v in parts.items()} | {f"after1.{k}": v for k, v in after.items()}, grads

    results, grads = run(torch.float64)
    assert results.get("part.triplet", results["loss"]) > 0.01, "no triplet is active"
    single, single_grads = run(torch.float32)
    tensors |= results | {f"grad.{k}": g for k, g in grads.items()}
    live = [k for k in grads if grads[k].abs().max() > 1e-12]
    off = lambda a, b: ((a.double() - b).norm() / b.norm()).item()
    worst_grad = max((off(single_grads[k], grads[k]), k) for k in live)
    worst = max((off(single[k], results[k]), k) for k in results)
    config = {"instrument": instrument, "set": SETTINGS + list(settings), "blocks": blocks,
              "examples": len(heard) // 3 if len(blocks) == 3 else len(heard),
              "inputs": list(inputs)}
    tensors = {k: v.detach().float().contiguous() for k, v in tensors.items()}
    path = os.path.join(out, f"{name}.safetensors")
    save_file(tensors, path, {"config": json.dumps(config)})
    shown = {k: round(v.item(), 6) for k, v in results.items() if v.dim() == 0}
    print(f"{name}: {os.path.getsize(path)} bytes, {len(grads)} gradients, {shown}")
    print(f"    float32 is off by {worst[0]:.1e} ({worst[1]}); gradients {worst_grad[0]:.1e} ({worst_grad[1]})")
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(HERE, "stages"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(2)
    samples = sounds()
    save_file({"samples": samples}, os.path.join(out, "sounds.safetensors"))
    size = lambda dimensions: [f"network.dimensions={dimensions}"]
    no_dropout = ["network.dropout=0.0"]

    write("separator", Separator(), separation("guitar"), samples, [PARTIAL, ANCHOR], out, instrument="guitar",
          settings=no_dropout)
    write("clean", Extractor(5), clean("bass"), samples, TRIPLET, out, instrument="bass", settings=size(5))
    # with dropout: a frozen separator drops nothing
    write("cascade", Cascade(5), cascade("piano", with_l1=False), samples, TRIPLET, out, instrument="piano",
          frozen=["separator"], settings=size(5))
    write("cascade-ft", Cascade(5), cascade("drums", with_l1=True), samples, TRIPLET, out, instrument="drums",
          settings=size(5) + no_dropout)

    blocks, dimensions = [NEGATIVE, PARTIAL], 3
    there = (samples[blocks].flatten(0, 1) != 0).any(2).float()
    sounding = {"sounding": there.repeat_interleave(dimensions, 1)}
    write("direct-pretraining", with_clean(Direct(dimensions), dimensions), targets, samples, blocks, out,
          frozen=["clean"], given=sounding, settings=size(dimensions))
    write("h25-pretraining", with_clean(Hashizume(dimensions), dimensions), targets, samples, blocks, out,
          frozen=["clean"], given=sounding, settings=size(dimensions))

    some = conditions(["bass", "residuals"], ["drums", None], 3)
    write("direct", Direct(3), all_instruments, samples, TRIPLET, out, given=some, settings=size(3))
    others = conditions(["drums", "piano"], ["bass", None], 3)
    # members of some stems only
    partial = [ANCHOR, POSITIVE, PARTIAL]
    power = {"sounding": powerful(samples[partial].flatten(0, 1))}
    write("direct-norm", with_norm_loss(Direct(3)), all_instruments, samples, partial, out,
          given=others | power, settings=size(3))
    write("h25", with_norm_loss(Hashizume(3)), all_instruments, samples, partial, out,
          given=others | power, settings=size(3))
    write("direct-reconst-all", Direct(2, reconstruct=True), all_instruments, samples, TRIPLET, out,
          given=conditions(["piano", "bass"], ["guitar", "drums"], 2),
          settings=size(2) + no_dropout + ["loss.reconstruct=all"])
    # judgements have no additional triplets
    write("direct-paft", Direct(3), all_instruments, samples, TRIPLET, out,
          given=conditions(["guitar", "piano"], [None, None], 3), settings=size(3))
    # what is of one piece is made up
    labels = torch.tensor([[0, 1, -1, 2, 0], [1, 1, 0, 2, 1], [0, 0, -1, 0, 1], [2, 1, -1, -1, 2],
                           [0, 2, 1, 2, 0], [1, -1, 2, 0, 1], [0, 0, 3, -1, 2], [2, 1, -1, 2, 0]]).float()
    gains = 10 ** (torch.rand(8, 5) * 0.6 - 0.3)
    given = {"gains": gains, "labels": labels, "sounding": (labels >= 0).float()}
    write("contrast", Contrast(3), contrast, samples, TRIPLET + [PARTIAL], out, given=given, settings=size(3))
    # [H25]'s ablations; what comes later draws its numbers later
    write("h25-triplets", Hashizume(3), all_instruments, samples, TRIPLET, out, given=others, settings=size(3))
    write("separator-joint", JointSeparator(), joint_separation, samples, [PARTIAL, ANCHOR], out,
          given={"gains": 10 ** (torch.rand(4, 5) * 0.6 - 0.3)},
          settings=["network.bands=0", "loss.error=absolute"])
    # three triplets of two examples: all that is theirs is multiplied by two thirds to be a mean over triplets
    shares = torch.zeros(TRIPLETS, 5)
    for example, name in (triplets := [(0, "bass"), (1, "residuals"), (0, "drums")]):
        shares[example, INSTRUMENTS.index(name)] = TRIPLETS / len(triplets)
    write("direct-reconst", Direct(2, reconstruct=True), condition_alone(triplets), samples, TRIPLET, out,
          given={"reconstructed": shares.repeat(3, 1)} | conditions(["bass", "residuals"], ["drums", None], 2),
          settings=size(2) + no_dropout)
    bands = 40
    write("separator-joint-bands", JointSeparator(bands), joint_separation_by_roots, samples, [PARTIAL, ANCHOR], out,
          given={"gains": 10 ** (torch.rand(4, 5) * 0.6 - 0.3)},
          settings=[f"network.bands={bands}", "loss.error=root"])


if __name__ == "__main__":
    main()
