"""Make a folder of labelled images, as `--data` reads it, from an ImageNet validation folder with one folder a class.

    python scripts/imagenet_folder.py ILSVRC2012/val imagenet_val [--count 5000]

Classes are numbered in the order of their folders' names (n01440764 is 0), as torchvision's and pytorchcv's networks
count them. Every image is resized to 256 on its shorter side and cropped to 224 at its centre, the preprocessing most
of these networks were scored with, and stored without loss. A smaller count is spread evenly over the classes, the same
for everyone.
"""

from __future__ import annotations

import argparse
import csv
from itertools import chain, zip_longest
from pathlib import Path

from PIL import Image

SUFFIXES = {".jpeg", ".jpg", ".png"}


def list_images(folder: Path) -> list[list[Path]]:
    """The images of each class, classes and images in the order of their names.

    Raises:
        SystemExit: the folder does not hold one folder of images for each class.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    images = [sorted(path for path in each.iterdir() if path.suffix.lower() in SUFFIXES) for each in classes]
    if len(images) < 2 or not all(images):
        raise SystemExit(f"{folder} does not hold one folder of images for each class, for instance n01440764/*.JPEG")
    return images


def choose(images: list[list[Path]], count: int) -> list[tuple[Path, int]]:
    """The first image of every class, then the second of every class, up to `count`; each with its class."""
    labelled = ([(path, label) for path in paths] for label, paths in enumerate(images))
    in_turn = chain.from_iterable(zip_longest(*labelled))
    return [pair for pair in in_turn if pair is not None][:count]


def preprocess(image: Image.Image, resize: int, crop: int) -> Image.Image:
    """Resize the shorter side to `resize` and crop the centre to `crop` x `crop` pixels."""
    scale = resize / min(image.size)
    width, height = (max(resize, round(side * scale)) for side in image.size)
    resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - crop) // 2, (height - crop) // 2
    return resized.crop((left, top, left + crop, top + crop))


def main() -> None:
    """Write the images and labels.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224)
    options = parser.parse_args()
    if options.crop > options.resize:
        parser.error(f"--crop {options.crop} is larger than --resize {options.resize}")
    chosen = choose(list_images(options.source), options.count)
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    with (options.out / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("file", "label"))
        for path, label in chosen:
            name = f"{path.stem}.png"
            with Image.open(path) as image:
                preprocess(image, options.resize, options.crop).save(options.out / "images" / name)
            table.writerow((name, label))
    print(f"{options.out}: {len(chosen):,} images of {len({label for _, label in chosen}):,} classes")


if __name__ == "__main__":
    main()
