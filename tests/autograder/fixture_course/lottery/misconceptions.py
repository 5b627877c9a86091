"""Mistakes in the lottery: WRONG-MARK stands here and must stand in nothing that students get."""

import torch

from autograder.checks import misconception


def powers(rewards, discount, first=0):
    return discount ** torch.arange(first, first + len(rewards), dtype=rewards.dtype)


@misconception("discounted_sum", name="discounts the first reward", hint="What arrives today is worth what it is.")
def first_discounted(rewards, discount):
    return (powers(rewards, discount, 1) * rewards).sum()


@misconception("discounted_sum", name="forgets the discount", hint="A later win should be worth less.")
def no_discount(rewards, discount):
    return rewards.sum()


@misconception("discounted_sum", name="discounts backwards", hint="Which of the wins comes last?")
def backwards(rewards, discount):
    return (powers(rewards, discount).flip(0) * rewards).sum()


@misconception("draw_tickets", name="wins and losses exchanged", hint="What does a probability of 1 mean?")
def exchanged(probability, count, generator):
    return (torch.rand(count, generator=generator) > probability).long()


@misconception("draw_tickets", name="one draw for all tickets", hint="Every ticket is drawn by itself.")
def one_for_all(probability, count, generator):
    return (torch.rand(1, generator=generator) < probability).long().expand(count)


@misconception("draw_tickets", name="always the likelier side", hint="Even a rare win happens now and then.")
def likelier(probability, count, generator):
    return torch.full((count,), int(probability > 0.5))
