#!/usr/bin/env python3
"""Golden tensors of single operations: inputs, output, upstream gradient, input gradients.

Computed in float64 and stored as float32; everything that goes in is a float32 value, hence stored exactly.
Tensors are named `<case>.<tensor>`; the geometry of each case is JSON in the metadata under `cases`.

  make_ops.py [--out DIR]
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

tensors, cases, deviation = {}, {}, {}


def rand(*shape, scale=1.0, offset=0.0):
    """Normal values that float32 holds exactly."""
    return (offset + scale * torch.randn(shape)).double()


def keep(case, op, values, **geometry):
    cases[case] = {"op": op, **geometry}
    tensors.update({f"{case}.{name}": t.detach().float().contiguous() for name, t in values.items()})


def differentiate(case, op, function, inputs, **geometry):
    """Record function(**inputs), a random upstream gradient, and the gradient of every input."""

    def run(dtype, grad_output=None):
        leaves = {k: v.to(dtype).requires_grad_() for k, v in inputs.items()}
        output = function(**leaves)
        if grad_output is None:
            grad_output = rand(*output.shape)
        grads = torch.autograd.grad(output, list(leaves.values()), grad_output.to(dtype))
        return output.detach(), grad_output, dict(zip((f"grad_{k}" for k in leaves), grads))

    output, grad_output, grads = run(torch.float64)
    values = {**inputs, "output": output, "grad_output": grad_output, **grads}
    keep(case, op, values, **geometry)
    single, _, single_grads = run(torch.float32, grad_output)
    pairs = [(output, single)] + [(grads[k], single_grads[k]) for k in grads]
    deviation[case] = max(((a - b.double()).abs().max() / a.abs().max()).item() for a, b in pairs)


def conv2d():
    for case, n, i, o, size, kernel, stride, padding in [
        ("conv2d_k5x5_s2_p2", 2, 3, 5, (9, 7), (5, 5), (2, 2), (2, 2)),
        ("conv2d_k3x4_s1x2_p1x0", 2, 3, 2, (7, 11), (3, 4), (1, 2), (1, 0)),
        ("conv2d_k1x1", 3, 5, 3, (5, 3), (1, 1), (1, 1), (0, 0)),
    ]:
        differentiate(
            case, "conv2d", lambda input, weight, bias: F.conv2d(input, weight, bias, stride, padding),
            dict(input=rand(n, i, *size), weight=rand(o, i, *kernel, scale=0.3), bias=rand(o)),
            kernel=kernel, stride=stride, padding=padding,
        )


def conv_transpose2d():
    for case, n, i, o, size, kernel, stride, padding, output_padding in [
        ("conv_transpose2d_k5x5_s2_p2_op0x1", 2, 3, 5, (5, 4), (5, 5), (2, 2), (2, 2), (0, 1)),
        ("conv_transpose2d_k3x3_s1_p1", 2, 4, 3, (5, 7), (3, 3), (1, 1), (1, 1), (0, 0)),
        ("conv_transpose2d_k4x3_s3x2_p0x1", 3, 2, 3, (3, 5), (4, 3), (3, 2), (0, 1), (0, 0)),
    ]:
        differentiate(
            case, "conv_transpose2d",
            lambda input, weight, bias: F.conv_transpose2d(input, weight, bias, stride, padding, output_padding),
            dict(input=rand(n, i, *size), weight=rand(i, o, *kernel, scale=0.3), bias=rand(o)),
            kernel=kernel, stride=stride, padding=padding, output_padding=output_padding,
        )


def batch_norm():
    momentum, eps = 0.1, 1e-5
    for training in (True, False):
        case = "batch_norm_train" if training else "batch_norm_eval"
        mean, var = rand(3, scale=0.5), (0.5 + torch.rand(3)).double()
        after = {}

        def function(input, weight, bias):
            running = [mean.to(input.dtype).clone(), var.to(input.dtype).clone()]
            output = F.batch_norm(input, *running, weight, bias, training, momentum, eps)
            if input.dtype == torch.float64 and training:
                after.update(running_mean_after=running[0], running_var_after=running[1])
            return output

        differentiate(
            case, "batch_norm", function,
            dict(input=rand(3, 3, 5, 7, scale=1.5, offset=0.7), weight=rand(3, scale=0.2, offset=1.0), bias=rand(3)),
            training=training, momentum=momentum, eps=eps,
        )
        keep(case, "batch_norm", dict(running_mean=mean, running_var=var, **after), training=training,
             momentum=momentum, eps=eps)


def pointwise_and_pooling():
    differentiate("leaky_relu", "leaky_relu", lambda input: F.leaky_relu(input, 0.2), dict(input=rand(3, 5, 7)),
                  slope=0.2)
    differentiate("sigmoid", "sigmoid", lambda input: torch.sigmoid(input), dict(input=rand(3, 5, 7, scale=3.0)))
    differentiate("max_pool2d_k2_s2", "max_pool2d", lambda input: F.max_pool2d(input, 2, 2),
                  dict(input=rand(2, 3, 7, 9)), kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    differentiate("max_pool2d_k3_s2_p1", "max_pool2d", lambda input: F.max_pool2d(input, 3, 2, 1),
                  dict(input=rand(2, 3, 7, 10)), kernel=(3, 3), stride=(2, 2), padding=(1, 1))
    differentiate("mean_last_axis", "mean", lambda input: input.mean(-1), dict(input=rand(2, 3, 5, 7)), axis=-1)


def linear_and_losses():
    differentiate("linear", "linear", F.linear, dict(input=rand(5, 7), weight=rand(3, 7), bias=rand(3)))
    for case, loss in [("l1_loss", F.l1_loss), ("mse_loss", F.mse_loss)]:
        differentiate(case, case, loss, dict(input=rand(3, 5, 7), target=rand(3, 5, 7)), reduction="mean")


def adam():
    """Five steps with given gradients; `params` holds the vector after each step."""
    steps, size, settings = 5, 13, dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8)
    initial, grads = rand(size), rand(steps, size, scale=0.1)
    grads[:, -1] = 0.0  # a parameter that never has a gradient must stay where it is
    param = initial.clone().requires_grad_()
    optimizer, params = torch.optim.Adam([param], **settings), []
    for grad in grads:
        param.grad = grad.clone()
        optimizer.step()
        params.append(param.detach().clone())
    state = optimizer.state[param]
    keep("adam", "adam", dict(initial=initial, grads=grads, params=torch.stack(params), exp_avg=state["exp_avg"],
                              exp_avg_sq=state["exp_avg_sq"]), steps=steps, **settings)


def clip_grad_norm():
    """Two tensors under one norm, once above the limit and once below it."""
    for case, max_norm in [("clip_grad_norm_above", 1.0), ("clip_grad_norm_below", 100.0)]:
        grads = dict(grad_a=rand(3, 5), grad_b=rand(7))
        leaves = [torch.zeros_like(g).requires_grad_() for g in grads.values()]
        for leaf, grad in zip(leaves, grads.values()):
            leaf.grad = grad.clone()
        norm = torch.nn.utils.clip_grad_norm_(leaves, max_norm)
        keep(case, "clip_grad_norm", dict(**grads, norm=norm, clipped_a=leaves[0].grad, clipped_b=leaves[1].grad),
             max_norm=max_norm, eps=1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(parser.parse_args().out, "ops.safetensors")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    for group in (conv2d, conv_transpose2d, batch_norm, pointwise_and_pooling, linear_and_losses, adam,
                  clip_grad_norm):
        group()
    # One metadata key: with several, their order, and so the file's bytes, would change from run to run.
    save_file(tensors, path, {"cases": json.dumps(cases)})
    for case, error in deviation.items():
        print(f"{case:36} float32 PyTorch deviates by {error:7.1e} of the largest value")
    print(f"{path}: {len(cases)} cases, {len(tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
