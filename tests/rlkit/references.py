"""The independent references of the assignments: plain loops in float64 that share no code with rlkit."""

from pathlib import Path

from autograder.assignment import load_module

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
bellman = load_module(SOLUTIONS / "bellman" / "hidden_checks.py")
mdp = load_module(SOLUTIONS / "mdp" / "hidden_checks.py")
warm_up = load_module(SOLUTIONS / "warm_up" / "hidden_checks.py")
