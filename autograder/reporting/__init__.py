"""Give results back: feedback, exports for learning platforms, the report about a class."""
