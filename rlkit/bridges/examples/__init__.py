"""One script for each framework: ``python -m rlkit.bridges.examples.trl`` and so on."""
