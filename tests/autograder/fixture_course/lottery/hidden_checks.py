"""Hidden checks of the lottery: HIDDEN-MARK stands here and must stand in nothing that students get."""

import torch

from autograder.checks import Exam, close, holds, numbers

exam = Exam("lottery", hidden=True)


def reference_sum_in_float64(rewards, discount):
    total = 0.0
    for reward in reversed(rewards.tolist()):
        total = reward + discount * total
    return total


@exam.add("discounted_sum", points=1, message="winnings drawn at random")
def drawn(discounted_sum):
    rewards = torch.rand(20, generator=exam.random(), dtype=torch.float64)
    close(discounted_sum(rewards, 0.9), reference_sum_in_float64(rewards, 0.9), tolerance=1e-5)


@exam.add("draw_tickets", points=1, message="the share of wins")
def share(draw_tickets):
    # 20000 draws: standard deviation 0.0029, so a distance of 0.02 has a probability below 1e-11.
    wins = numbers(draw_tickets(0.2, 20_000, exam.random())).mean()
    holds(abs(wins - 0.2) < 0.02, f"expected a share of wins near 0.2, got {wins:.3f}")
