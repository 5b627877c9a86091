"""Examine submissions and keep the scores: one submission, a class, by hand, late, and again."""
