r"""Small networks with a leading axis of seeds: K independent copies trained in one pass.

Weights have shape (K, in, out) and inputs (K, B, in), so that one batched matrix product serves all seeds. The
losses of the seeds are *summed*: the gradient of each copy is then the one it would have alone. Adam works
element by element; only the gradient norm has to be taken per seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from rlkit.environments.base import Environment


class SeedLinear(nn.Module):
    """K linear layers side by side, orthogonally initialised, biases zero.

    Parameters
    ----------
    num_seeds, num_inputs, num_outputs : int
    gain : float
        Scale of the weights.
    generator : torch.Generator
        On the CPU, so that the weights are the same on every device.
    """

    def __init__(
        self, num_seeds: int, num_inputs: int, num_outputs: int, gain: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        weights = [
            nn.init.orthogonal_(torch.empty(num_outputs, num_inputs), gain, generator=generator).T
            for _ in range(num_seeds)
        ]
        self.weight = nn.Parameter(torch.stack(weights).contiguous())
        self.bias = nn.Parameter(torch.zeros(num_seeds, 1, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (K, B, in) to (K, B, out)."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class MultiLayerPerceptron(nn.Module):
    """K networks of linear layers with ReLU between them.

    Parameters
    ----------
    num_seeds : int
    sizes : sequence of int
        Inputs, hidden layers, outputs.
    generator : torch.Generator
        For the initial weights, on the CPU.
    output_gain : float
        Scale of the last layer's initial weights; small ones start a policy near uniform.
    """

    def __init__(
        self, num_seeds: int, sizes: Sequence[int], generator: torch.Generator, output_gain: float = 1.0
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1 or num_seeds < 1:
            raise ValueError(f"num_seeds {num_seeds} and sizes {list(sizes)}, expected positive, inputs and outputs")
        self.sizes, self.num_seeds = tuple(sizes), num_seeds
        gains = [2**0.5] * (len(sizes) - 2) + [output_gain]
        pairs = itertools.pairwise(sizes)
        self.layers = nn.ModuleList(
            SeedLinear(num_seeds, *pair, gain, generator) for pair, gain in zip(pairs, gains, strict=True)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (K, B, in) to (K, B, out)."""
        if inputs.ndim != 3 or inputs.shape[0] != self.num_seeds or inputs.shape[2] != self.sizes[0]:
            raise ValueError(
                f"inputs have shape {tuple(inputs.shape)}, expected ({self.num_seeds} seeds, B, {self.sizes[0]}); "
                "do the observations belong to the environment that the network was made for?"
            )
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = layer(hidden).relu()
        return self.layers[-1](hidden)

    def export(self, seed: int) -> list[Tensor]:
        """Plain copies of one seed's parameters, [W1 (in, out), b1 (out,), W2, b2, ...], on the CPU."""
        if not 0 <= seed < self.num_seeds:
            raise ValueError(f"seed {seed} does not exist, expected 0..{self.num_seeds - 1}")
        layers = [layer for layer in self.layers if isinstance(layer, SeedLinear)]
        pairs = ((layer.weight[seed], layer.bias[seed, 0]) for layer in layers)
        return [part.detach().cpu().clone() for pair in pairs for part in pair]


def apply_network(parameters: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Evaluate exported parameters: shape (..., in) to (..., out), ReLU between the layers."""
    hidden = inputs
    for index in range(0, len(parameters), 2):
        hidden = hidden.relu() if index else hidden
        hidden = hidden @ parameters[index] + parameters[index + 1]
    return hidden


def clip_gradients_per_seed(parameters: Iterable[nn.Parameter], largest_norm: float) -> Tensor:
    """Scale each seed's gradient down to a norm of at most ``largest_norm``, in place; return the norms, (K,)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    scale = (largest_norm / (norms + 1e-6)).clamp_max(1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))
    return norms


def num_inputs(environment: Environment) -> int:
    """Length of the vector that :func:`encode` makes of an observation."""
    if environment.observation_shape == ():
        return int(environment.num_observations)  # type: ignore[attr-defined]
    return environment.observation_shape[0]


def encode(environment: Environment, observation: Tensor) -> Tensor:
    """Observations as network inputs, shape (..., D): states of a table become one-hot vectors."""
    if environment.observation_shape == ():
        return torch.nn.functional.one_hot(observation, num_inputs(environment)).to(torch.float32)
    return observation.to(torch.float32)
