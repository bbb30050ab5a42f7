"""ONNX files with QuantizeLinear and DequantizeLinear: written, read, and simulated from the file alone."""
