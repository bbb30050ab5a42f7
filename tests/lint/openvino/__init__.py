"""Tests of the rules of OpenVINO."""
