"""Data-free quantization from BatchNorm statistics alone (DFQ, Nagel et al. 2019, arXiv 1906.04721)."""
