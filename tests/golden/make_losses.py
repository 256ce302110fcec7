#!/usr/bin/env python3
"""Golden tensors of the papers' losses, of supervised contrast, and of a small network that is trained with all of them at once.

Computed in float64 and stored as float32; everything that goes in is a float32 value, hence stored exactly.
Tensors are named `<case>.<tensor>`; the settings of each case are JSON in the metadata under `cases`.

  make_losses.py [--out DIR]
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

tensors, cases, deviation = {}, {}, {}


def rand(*shape, scale=1.0):
    """Normal values that float32 holds exactly."""
    return (scale * torch.randn(shape)).double()


def differentiate(case, function, inputs, given=None, **settings):
    """Record function(**inputs, **given), a random upstream gradient, and the gradient of every input."""
    given = given or {}

    def run(dtype, grad_output=None):
        leaves = {k: v.to(dtype).requires_grad_() for k, v in inputs.items()}
        output = function(**leaves, **{k: v.to(dtype) for k, v in given.items()})
        if grad_output is None:
            grad_output = rand(*output.shape)
        grads = torch.autograd.grad(output, list(leaves.values()), grad_output.to(dtype))
        return output.detach(), grad_output, dict(zip((f"grad_{k}" for k in leaves), grads))

    output, grad_output, grads = run(torch.float64)
    values = {**inputs, **given, "output": output, "grad_output": grad_output, **grads}
    cases[case] = settings
    tensors.update({f"{case}.{name}": t.detach().float().contiguous() for name, t in values.items()})
    single, _, single_grads = run(torch.float32, grad_output)
    pairs = [(output, single)] + [(grads[k], single_grads[k]) for k in grads]
    deviation[case] = max(((a - b.double()).abs().max() / a.abs().max().clamp_min(1e-30)).item() for a, b in pairs)


def mean_triplet_loss(embeddings, mask, margin):
    """PyTorch's own, of the masked anchors, positives and negatives."""
    rows = [mask * x for x in embeddings.chunk(3)]
    return F.triplet_margin_loss(*rows, margin=margin, p=2, eps=1e-6, reduction="mean")


def weighted_triplet_loss(embeddings, mask, weight, margin):
    rows = [mask * x for x in embeddings.chunk(3)]
    losses = F.triplet_margin_loss(*rows, margin=margin, p=2, eps=1e-6, reduction="none")
    return (weight * losses).sum() / weight.sum().clamp_min(1)


def subspaces(triplets, count, size):
    """Masks of sub-space 0, 1, … for triplet 0, 1, …"""
    mask = torch.zeros(triplets, count, size, dtype=torch.float64)
    for i in range(triplets):
        mask[i, i % count] = 1
    return mask.flatten(1)


def triplet():
    plain = lambda b, d: torch.ones(b, d, dtype=torch.float64)
    for case, embeddings, mask in [
        ("triplet", rand(15, 7), plain(5, 7)),
        ("triplet_one", rand(3, 3, scale=0.05), plain(1, 3)),
        ("triplet_subspaces", rand(21, 45), subspaces(7, 5, 9)),
        # the positives are the anchors
        ("triplet_same", torch.cat([(x := rand(3, 5)), x, x + rand(3, 5, scale=0.01).float()]), plain(3, 5)),
        # every negative is far enough
        ("triplet_inactive", torch.cat([(x := rand(3, 5)), x + 0.125, x + 4]), plain(3, 5)),
    ]:
        embeddings = embeddings.float().double()
        weight = torch.ones(len(mask), dtype=torch.float64)
        differentiate(case, lambda embeddings, mask, weight: mean_triplet_loss(embeddings, mask, 0.2),
                      dict(embeddings=embeddings), dict(mask=mask, weight=weight), margin=0.2)
    for case, weight in [("triplet_weighted", [1, 0, 0.25, 1, 0.5]), ("triplet_left_out", [0] * 5)]:
        differentiate(case, lambda **given: weighted_triplet_loss(**given, margin=0.5),
                      dict(embeddings=rand(15, 21, scale=0.1)),
                      dict(mask=subspaces(5, 3, 7), weight=torch.tensor(weight, dtype=torch.float64)), margin=0.5)


def norm_loss(f, bias, sounds):
    norms = f.unflatten(1, (len(bias), -1)).norm(dim=2).clamp_min(1e-12)
    return F.binary_cross_entropy_with_logits(norms.log() + bias, sounds)


def bce_of_probabilities(f, bias, sounds):
    """The paper's formula to the letter."""
    p = torch.sigmoid(torch.log(f.unflatten(1, (len(bias), -1)).norm(dim=2)) + bias)
    return F.binary_cross_entropy(p, sounds)


def norm():
    for case, f, function in [
        ("norm_loss", rand(6, 45), bce_of_probabilities),
        ("norm_loss_large", rand(4, 15, scale=1e6), norm_loss),
        ("norm_loss_silent", rand(4, 15) * torch.tensor([0.0, 1, 0, 1, 1]).repeat_interleave(3), norm_loss),
    ]:
        sounds = (torch.arange(len(f) * 5).reshape(-1, 5) % 3 != 1).double()
        differentiate(case, function, dict(f=f, bias=rand(5)), dict(sounds=sounds))


def normalise_and_cross_entropy():
    x = rand(5, 13)
    differentiate("l2_normalise", lambda x: F.normalize(x, dim=1), dict(x=x))
    differentiate("bce_with_logits", F.binary_cross_entropy_with_logits, dict(input=rand(3, 35, scale=4.0)),
                  dict(target=torch.rand(3, 35).float().double()))


def supervised_contrast(vectors, labels, temperature):
    """Of unit vectors [N, S, D], by the loop that the definition is. Labels [N, S]; below 0: none."""
    of_subspaces = []
    for z, label in zip(vectors.unbind(1), labels.unbind(1)):
        there = [i for i in range(len(z)) if label[i] >= 0]
        of_anchors = []
        for i in there:
            others = [j for j in there if j != i]
            positives = [j for j in others if label[j] == label[i]]
            if positives:
                log_probability = F.log_softmax(torch.stack([z[i] @ z[j] for j in others]) / temperature, dim=0)
                of_anchors.append(-sum(log_probability[others.index(j)] for j in positives) / len(positives))
        if of_anchors:
            of_subspaces.append(sum(of_anchors) / len(of_anchors))
    return sum(of_subspaces) / len(of_subspaces) if of_subspaces else 0 * vectors.sum()


def contrast():
    def of(vectors, labels, temperature):
        count = labels.shape[1]
        return supervised_contrast(F.normalize(vectors.unflatten(1, (count, -1)), dim=2), labels, temperature)

    none = torch.tensor([[-1.0, 0, -1, 1], [-1, 1, 2, 0], [-1, 2, -1, -1], [-1, 3, 2, 1], [-1, 4, 0, 1]])
    for case, labels, length, temperature in [
        ("contrast", torch.arange(45).reshape(9, 5).mul(7).remainder(4), 7, 0.1),
        ("contrast_warm", torch.arange(33).reshape(11, 3).remainder(5), 5, 1.0),
        # sub-spaces without labels, without positives, with one pair, with items that have none
        ("contrast_some", none, 3, 0.25),
        ("contrast_none", none[:, :2], 3, 0.25),
    ]:
        labels = labels.double()
        differentiate(case, lambda vectors, labels: of(vectors, labels, temperature),
                      dict(vectors=rand(len(labels), labels.shape[1] * length)), dict(labels=labels),
                      temperature=temperature)


def stage():
    """A small Direct-Reconst: three items of a triplet through one network, and a weighted sum of every loss."""
    def function(x, conv, conv_bias, linear, linear_bias, norm_bias, mask, weight, sounds, stems, vectors):
        features = F.max_pool2d(F.relu(F.conv2d(x, conv, conv_bias, padding=1)), 2, 2)
        f = F.linear(features.mean(-1).flatten(1), linear, linear_bias)
        kept = torch.zeros(1, 6, 1, 1, dtype=x.dtype)
        kept[:, 2:4] = 1  # Conditioning3D: the second of three sub-spaces of two channels
        sub = torch.zeros(1, 9, dtype=x.dtype)
        sub[:, 3:6] = 1  # Conditioning1D
        return (
            weighted_triplet_loss(f, mask, weight, 0.2)
            + 0.1 * norm_loss(f, norm_bias, sounds)
            + 0.5 * F.l1_loss(features * kept, stems)
            + 2 * F.mse_loss(f[:2] * sub, F.normalize(vectors, dim=1))
        )

    differentiate(
        "stage", function,
        dict(x=rand(6, 2, 6, 5), conv=rand(6, 2, 3, 3, scale=0.3), conv_bias=rand(6, scale=0.3),
             linear=rand(9, 18, scale=0.3), linear_bias=rand(9, scale=0.3), norm_bias=rand(3)),
        dict(mask=subspaces(2, 3, 3), weight=torch.ones(2).double(),
             sounds=(torch.arange(18).reshape(6, 3) % 3 != 1).double(),
             stems=rand(6, 6, 3, 2).abs(), vectors=rand(2, 9)),
        margin=0.2,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(parser.parse_args().out, "losses.safetensors")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    for group in (triplet, norm, normalise_and_cross_entropy, stage, contrast):
        group()
    # One metadata key: with several, their order, and so the file's bytes, would change from run to run.
    save_file(tensors, path, {"cases": json.dumps(cases)})
    for case, error in deviation.items():
        print(f"{case:24} float32 PyTorch deviates by {error:7.1e} of the largest value")
    print(f"{path}: {len(cases)} cases, {len(tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
