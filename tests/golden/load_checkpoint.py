#!/usr/bin/env python3
"""Loads a checkpoint into the networks of make_stages.py, and compares what they give with what the run's own gave.

  load_checkpoint.py CHECKPOINT EXPECTED
"""
import json
import sys

import torch
from safetensors import safe_open

import make_stages as stages

# Float32 against float64, through a dozen convolutions.
TOLERANCE = 1e-4


def model(recipe, weights):
    """The recipe's network, as large as its tensors say."""
    front_end, dimensions = recipe["front_end"], recipe["network"]["dimensions"]
    stages.RATE, stages.SIZE, stages.MELS = front_end["sample_rate"], front_end["stft_size"], front_end["mels"]
    stages.BINS = stages.SIZE // 2 + 1
    prefix = "separator." if recipe["model"] == "cascade" else ""
    if recipe["model"] == "hashizume":
        stages.PAIRS = [weights[f"layers.{2 * i}.conv.bias"].numel() for i in range(5)]
        return stages.Hashizume(dimensions)
    stages.CHANNELS = [weights[f"{prefix}encoder.{i}.conv.bias"].numel() for i in range(6)]
    return {
        "separator": lambda: stages.Separator(),
        "joint-separator": lambda: stages.JointSeparator(recipe["network"]["bands"]),
        "extractor": lambda: stages.Extractor(dimensions),
        "cascade": lambda: stages.Cascade(dimensions),
        "direct": lambda: stages.Direct(dimensions, recipe["network"]["decoders"]),
        "contrast": lambda: stages.Contrast(dimensions),
    }[recipe["model"]]()


def main():
    with safe_open(sys.argv[1], "pt") as file:
        recipe = json.loads(file.metadata()["stemwise"])["recipe"]
        own = ("optimizer.", "clean.", "norm_loss.")
        weights = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(own)}
    with safe_open(sys.argv[2], "pt") as file:
        expected = {name: file.get_tensor(name).double() for name in file.keys()}
    net = model(recipe, weights)
    missing, surplus = net.load_state_dict(weights, strict=False)
    assert not surplus and all(name.endswith("num_batches_tracked") for name in missing), (missing, surplus)
    net = net.double().eval()
    magnitude = expected.pop("magnitude")
    with torch.no_grad():
        given = net(magnitude)
    given = given if isinstance(given, tuple) else (given,)
    for name, values in expected.items():
        if name == "embedding":
            got = given[0].flatten(1)
        else:
            # stems are estimates; where the mix is 0, so are they, whatever the mask
            stem = int(name.split(".")[1])
            stems = given[1] if len(given) == 2 else given[0]
            got = stems[stem] if isinstance(stems, list) else stems[:, stem : stem + 1]
            values = values * magnitude
        error = ((got - values).norm() / values.norm()).item()
        print(f"{name} {error:.1e}", end="  ")
        assert error < TOLERANCE, (name, error)


if __name__ == "__main__":
    main()
