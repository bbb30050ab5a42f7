"""Reads QuantizeLinear and DequantizeLinear of any tool's file."""
