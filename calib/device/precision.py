"""Where images are made, gradients need few digits: bfloat16 where the machine multiplies it faster than float32.

What is quantized is never computed with it: eight bits of mantissa are no more than an activation's code has.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

SMALLEST_SIDE = 128  # pixels; below, conversions cost what the products gain (measured on an AVX512-BF16 CPU)


def mixed_precision(device: str, side: int) -> AbstractContextManager[object]:
    """Autocast to bfloat16 on a GPU or CPU that has it, for images of at least `SMALLEST_SIDE`; else float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities() if kind == "cpu" else {}
        fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.autocast(kind, dtype=torch.bfloat16) if fast and side >= SMALLEST_SIDE else nullcontext()
