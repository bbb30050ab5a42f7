"""Object detection: outputs from which boxes, scores and classes are decoded."""
