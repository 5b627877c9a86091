r"""Stochastic policies on networks: a categorical one for discrete actions, a Gaussian one for vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rlkit.environments.base import Environment
from rlkit.networks import MultiLayerPerceptron, num_inputs
from rlkit.validation import require_shapes


def categorical_log_probability(logits: Tensor, actions: Tensor) -> Tensor:
    r"""Log-probability of discrete actions, :math:`\log \pi(a \mid s) = z_a - \log \sum_b e^{z_b}`.

    Parameters
    ----------
    logits : Tensor, shape (..., A)
        :math:`z`; adding a constant changes nothing.
    actions : LongTensor, shape (...)

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(logits="... A", actions="...", given=locals())
    return logits.log_softmax(dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def categorical_entropy(logits: Tensor) -> Tensor:
    r"""Entropy :math:`-\sum_a \pi(a) \log \pi(a)` in nats, shape (..., A) to (...)."""
    log_probabilities = logits.log_softmax(dim=-1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=-1)


def gaussian_log_probability(mean: Tensor, log_standard_deviation: Tensor, actions: Tensor) -> Tensor:
    r"""Log-density of vectors under independent normal distributions.

    .. math:: \log p(a) = \sum_i \Big[ -\frac{(a_i - \mu_i)^2}{2 \sigma_i^2} - \log \sigma_i
       - \frac{1}{2} \log 2\pi \Big]

    Parameters
    ----------
    mean, log_standard_deviation, actions : Tensor, shape (..., D)
        :math:`\mu`, :math:`\log \sigma` and :math:`a`.

    Returns
    -------
    Tensor, shape (...)
    """
    require_shapes(mean="... D", log_standard_deviation="... D", actions="... D", given=locals())
    distance = (actions - mean) * (-log_standard_deviation).exp()
    return (-0.5 * distance.square() - log_standard_deviation - 0.5 * math.log(2 * math.pi)).sum(dim=-1)


class CategoricalPolicy(nn.Module):
    """K policies over discrete actions; the network's outputs are logits."""

    def __init__(self, num_seeds: int, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.network = MultiLayerPerceptron(num_seeds, sizes, generator, output_gain=0.01)

    def sample(self, inputs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw actions for inputs (K, B, D); return them and their log-probabilities, each (K, B)."""
        log_probabilities = self.network(inputs).log_softmax(dim=-1)
        if log_probabilities.shape[-1] == 2:  # one draw decides between two actions, which is several times faster
            uniform = torch.rand(inputs.shape[:2], generator=generator, device=inputs.device)
            action = (uniform < log_probabilities[..., 1].exp()).long()
        else:
            # The largest of log-probabilities plus independent Gumbel noise is a draw from the distribution.
            noise = torch.empty_like(log_probabilities).exponential_(generator=generator)
            action = (log_probabilities - noise.log()).argmax(dim=-1)
        return action, log_probabilities.gather(-1, action[..., None]).squeeze(-1)

    def evaluate(self, inputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the actions, and entropies, each (K, B)."""
        log_probabilities = self.network(inputs).log_softmax(dim=-1)
        entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=-1)
        return log_probabilities.gather(-1, actions[..., None]).squeeze(-1), entropy

    def greedy(self, inputs: Tensor) -> Tensor:
        """Most likely actions, (K, B)."""
        return self.network(inputs).argmax(dim=-1)

    def export(self, seed: int) -> list[Tensor]:
        """One seed's network as plain tensors; see :meth:`rlkit.networks.MultiLayerPerceptron.export`."""
        return self.network.export(seed)


class GaussianPolicy(nn.Module):
    """K normal policies over action vectors: means from a network, one learned deviation per component."""

    def __init__(self, num_seeds: int, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.network = MultiLayerPerceptron(num_seeds, sizes, generator, output_gain=0.01)
        self.log_standard_deviation = nn.Parameter(torch.zeros(num_seeds, 1, sizes[-1]))

    def sample(self, inputs: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw actions (K, B, A) for inputs (K, B, D); return them and their log-densities (K, B)."""
        mean = self.network(inputs)
        spread = self.log_standard_deviation.expand_as(mean)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        action = mean + spread.exp() * noise
        return action, gaussian_log_probability(mean, spread, action)

    def evaluate(self, inputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-densities of the actions, and differential entropies, each (K, B)."""
        mean = self.network(inputs)
        spread = self.log_standard_deviation.expand_as(mean)
        entropy = (spread + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)
        return gaussian_log_probability(mean, spread, actions), entropy

    def greedy(self, inputs: Tensor) -> Tensor:
        """Means, (K, B, A)."""
        return self.network(inputs)

    def export(self, seed: int) -> list[Tensor]:
        """One seed's network of means as plain tensors."""
        return self.network.export(seed)


def make_policy(
    environment: Environment, hidden_sizes: Sequence[int], generator: torch.Generator
) -> CategoricalPolicy | GaussianPolicy:
    """Return a policy for the environment's kind of actions, one network per seed of its batch axes (K, N)."""
    if len(environment.batch_shape) != 2:
        raise ValueError(f"the environment has batch axes {environment.batch_shape}, expected (seeds, environments)")
    kind = CategoricalPolicy if environment.num_actions else GaussianPolicy
    sizes = [num_inputs(environment), *hidden_sizes, environment.num_actions or environment.action_size]
    return kind(environment.batch_shape[0], sizes, generator).to(environment.device)
