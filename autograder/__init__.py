"""Checks that name the misconception, and grading that a student's code cannot touch."""

from autograder.home import exam

__all__ = ["exam"]
