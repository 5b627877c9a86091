"""Shared by all tests: one thread, so that timings and sums are the same on every machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["RLKIT_DEVICE"] = "cpu"  # the tests state devices where they mean another one

import torch

torch.set_num_threads(1)
