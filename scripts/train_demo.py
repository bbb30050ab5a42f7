"""Train the demo network on the training half of scikit-learn's digits; write frontend/demo/demo.safetensors.

    python scripts/train_demo.py [--out FILE] [--seed 0] [--epochs 60]

Deterministic on one machine for one seed. The held-out half is scored once, at the end; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from calib.input_spec import InputSpec
from gdfq_export.frontend.demo.digits import held_out_digits, training_digits
from gdfq_export.frontend.demo.network import DemoNetwork

WEIGHTS = Path(__file__).parent.parent / "gdfq_export" / "frontend" / "demo" / "demo.safetensors"
SPEC = InputSpec(shape=(1, 8, 8), scale=255.0, mean=(0.0,), std=(1.0,))
BATCH = 64
LEARNING_RATE = 3e-3


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 12 degrees, scale by up to 12 % and shift by up to one pixel, each image [1, 8, 8] on its own."""
    count = len(images)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(12)), 1 + uniform(0.12)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    pixel = 2 / images.shape[-1]
    rows = [torch.stack([cosine, -sine, uniform(pixel)], 1), torch.stack([sine, cosine, uniform(pixel)], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def train(seed: int, epochs: int) -> nn.Module:
    """Train one network with Adam, a cosine schedule and smoothed labels."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pixels, digits = training_digits()
    images, labels = torch.from_numpy(SPEC.normalize(pixels)), torch.from_numpy(digits)
    network = DemoNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)[: batches * BATCH]
        total = 0.0
        for chosen in order.split(BATCH):
            logits = network(augment(images[chosen], generator))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() / batches
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}  loss {total:.4f}", flush=True)
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module) -> float:
    """Top-1 on the held-out digits, in percent."""
    pixels, labels = held_out_digits()
    predicted = network(torch.from_numpy(SPEC.normalize(pixels))).argmax(1).numpy()
    return 100 * float(np.mean(predicted == labels))


def main() -> None:
    """Train, score once, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = train(options.seed, options.epochs)
    score = accuracy(network)
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    metadata = {"script": "scripts/train_demo.py", "seed": str(options.seed), "held_out_top1": f"{score:.2f}"}
    safetensors.torch.save_file(weights, options.out, metadata)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, {score:.2f} % of the held-out digits")


if __name__ == "__main__":
    main()
