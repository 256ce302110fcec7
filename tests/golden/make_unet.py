#!/usr/bin/env python3
"""Golden tensors of the separator U-Net: forward, gradients, running statistics, ten Adam steps.

Computed in float64 and stored as float32, so that the fixture is the truth and not one framework's rounding.
Inputs and initial parameters are float32 values, hence stored exactly. Prints how far float32 PyTorch is from it.

  make_unet.py [--channels 2,3,4,5,6,8] [--out DIR]
"""
import argparse
import copy
import json
import os

import torch
from safetensors.torch import save_file
from torch import nn

CASES = {"unet_65x37": (3, 65, 37), "unet_33x21": (4, 33, 21)}  # batch, frequency, time
CHANNELS = [2, 3, 4, 5, 6, 8]  # the real network: 16, 32, 64, 128, 256, 512
DROPOUT = 0.0  # 0.5 in the real network; random streams differ between frameworks
STEPS, LR = 10, 1e-3


class EncoderBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.1)

    def forward(self, x):
        return nn.functional.leaky_relu(self.norm(self.conv(x)), 0.2)


class DecoderBlock(nn.Module):
    def __init__(self, inputs, outputs, dropout, last):
        super().__init__()
        self.deconv = nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2)
        self.norm = None if last else nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x, size):
        x = self.deconv(x, output_size=size)
        if self.norm is None:
            return x
        return self.dropout(nn.functional.leaky_relu(self.norm(x), 0.2))


class Separator(nn.Module):
    """Magnitude of the mix [n, 1, f, t] -> mask and estimate, same shape."""

    def __init__(self, channels, dropout=DROPOUT):
        super().__init__()
        wide, narrow = channels[::-1], channels[-2::-1] + [1]  # of the decoder's inputs and outputs
        self.encoder = nn.ModuleList(EncoderBlock(i, o) for i, o in zip([1] + channels, channels))
        self.decoder = nn.ModuleList(
            DecoderBlock(i if k == 0 else 2 * i, o, dropout if k < 3 else 0.0, last=k == len(channels) - 1)
            for k, (i, o) in enumerate(zip(wide, narrow))
        )

    def forward(self, mix):
        x, skips = mix, [mix]
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        skips.pop()  # the bottleneck is no skip
        for block in self.decoder:
            skip = skips.pop()
            x = block(x, skip.shape[2:])
            if skips:
                x = torch.cat([x, skip], dim=1)
        mask = torch.sigmoid(x)
        return mask, mask * mix


def make_inputs(batch, frequency, time):
    mix = torch.rand(batch, 1, frequency, time)
    return mix, mix * torch.rand_like(mix)


def make_model(channels):
    """PyTorch's initialisation, with norms moved off 0 and 1 so that nothing cancels by chance."""
    model = Separator(channels)
    with torch.no_grad():
        for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.weight.add_(0.1 * torch.randn_like(norm.weight))
            norm.bias.add_(0.1 * torch.randn_like(norm.bias))
            norm.running_mean.add_(0.1 * torch.randn_like(norm.running_mean))
            norm.running_var.add_(0.1 * torch.rand_like(norm.running_var))
    return model


def running_statistics(model):
    return {k: v for k, v in model.named_buffers() if "running" in k}


def record(model, mix, target):
    """Everything the fixture holds. The first of the ten Adam steps is the recorded forward and backward pass."""
    out = {"input.mix": mix, "input.target": target}
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.999), eps=1e-8)
    losses = []

    def keep(prefix, tensors):
        out.update({f"{prefix}.{name}": t.detach().clone() for name, t in tensors})

    keep("param", (dict(model.named_parameters()) | running_statistics(model)).items())
    model.train()
    for step in range(STEPS):
        optimizer.zero_grad()
        mask, estimate = model(mix)
        loss = nn.functional.l1_loss(estimate, target)
        loss.backward()
        if step == 0:
            keep("output", [("mask", mask), ("estimate", estimate)])
            keep("grad", ((name, p.grad) for name, p in model.named_parameters()))
            keep("after1", running_statistics(model).items())
            out["loss"] = loss.detach()
        losses.append(loss.detach())
        optimizer.step()
    keep("adam10", (dict(model.named_parameters()) | running_statistics(model)).items())
    out["adam10.losses"] = torch.stack(losses)
    model.eval()
    with torch.no_grad():
        out["eval.estimate"] = model(mix)[1]
    return out


def evaluate(model, state, mix):
    """The estimate in eval mode with the given `adam10.NAME` tensors: free of the drift of the ten steps."""
    model.load_state_dict({k[7:]: v for k, v in state.items() if k.count(".") > 2}, strict=False)
    model.eval()
    with torch.no_grad():
        return model(mix)[1]


def is_dead_bias(name):
    """A bias in front of a batch norm: its gradient is zero, and rounding noise drives its Adam steps."""
    return name.endswith("conv.bias") and not name.endswith("decoder.5.deconv.bias")


def report(case, truth, single):
    """Largest |float32 - float64| of each group of tensors."""
    groups = {}
    for name, t in truth.items():
        if name.startswith(("input", "param")):
            continue
        group = name if name.count(".") < 2 else name.split(".")[0]
        if is_dead_bias(name):
            group += " (bias before norm)"
        elif "running" in name and group == "adam10":
            group += " (running)"
        error, scale = (t - single[name].double()).abs().max().item(), t.abs().max().item()
        worst, relative = groups.get(group, (0.0, 0.0))
        groups[group] = max(worst, error), max(relative, error / scale)
    print(f"{case}: float32 PyTorch against this fixture: absolute, relative to the tensor's largest magnitude")
    for group, (worst, relative) in groups.items():
        print(f"  {group:28} {worst:8.1e} {relative:8.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", default=",".join(map(str, CHANNELS)), help="of the six encoder layers")
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    args = parser.parse_args()
    channels = [int(c) for c in args.channels.split(",")]
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for case, (batch, frequency, time) in CASES.items():
        torch.manual_seed(0)
        mix, target = make_inputs(batch, frequency, time)
        model = make_model(channels)
        truth = record(copy.deepcopy(model).double(), mix.double(), target.double())
        report(case, truth, record(copy.deepcopy(model), mix, target))
        state = {k: v.float() for k, v in truth.items() if k.startswith("adam10.")}
        error = (evaluate(model, state, mix) - truth["eval.estimate"]).abs().max().item()
        print(f"  eval.estimate with the fixture's adam10 loaded: {error:.2e}")
        # One metadata key: with several, their order, and so the file's bytes, would change from run to run.
        config = dict(batch=batch, frequency=frequency, time=time, encoder_channels=channels,
                      decoder_channels=channels[-2::-1] + [1], kernel=5, stride=2, padding=2, leaky_slope=0.2,
                      norm_eps=1e-5, norm_momentum=0.1, dropout=DROPOUT, steps=STEPS, learning_rate=LR,
                      betas=[0.9, 0.999], adam_eps=1e-8, computed_in="float64", torch=torch.__version__)
        path = os.path.join(args.out, f"{case}.safetensors")
        save_file({k: v.float().contiguous() for k, v in truth.items()}, path, {"config": json.dumps(config)})
        print(f"  {path}: {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
