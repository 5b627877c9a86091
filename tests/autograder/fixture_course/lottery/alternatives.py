"""Other right answers: OTHER-MARK stands here and must stand in nothing that students get."""

import numpy as np
import torch

from autograder.checks import alternative


def require(discount):
    if not 0 <= discount <= 1:
        raise ValueError(f"{discount} is no discount")


@alternative("discounted_sum")
def horner(rewards, discount):
    require(discount)
    total = rewards.new_zeros(())
    for reward in rewards.flip(0):
        total = reward + discount * total
    return total


@alternative("discounted_sum")
def product(rewards, discount):
    require(discount)
    return rewards.double() @ torch.tensor([discount**step for step in range(len(rewards))], dtype=torch.float64)


@alternative("draw_tickets")
def bernoulli(probability, count, generator):
    return torch.bernoulli(torch.full((count,), probability), generator=generator)


@alternative("draw_tickets")
def list_of_numbers(probability, count, generator):
    return [float(np.asarray(torch.rand((), generator=generator)) < probability) for _ in range(count)]
