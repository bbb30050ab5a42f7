"""Small networks with LayerNorm or attention, their training at CIFAR-10 size, and what quantization costs them."""
