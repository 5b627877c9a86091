"""Language models as policies: checkpoints, sampling, token log-probabilities, supervised fine-tuning, a small task.

The formulas (:mod:`rlkit.lm.tokens`, :mod:`rlkit.lm.divergence`) need only torch. Everything that holds a model takes
any causal language model of ``transformers``, which is imported when a model is made, loaded or sampled from.
"""
