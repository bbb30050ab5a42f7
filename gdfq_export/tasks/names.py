"""The names of tasks, in the order in which they are tried; quick to import."""

from __future__ import annotations

TASK_NAMES = ("embed", "classify", "detect", "segment", "regress")
