"""What runs inside the sandbox: not imported by the grading process, and no package there."""
