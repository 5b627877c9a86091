"""Visible checks of the lottery."""

import torch

from autograder.checks import Exam, close, holds, is_shape, numbers, raises

exam = Exam("lottery")

exam.asks_for("discounted_sum", "rlkit.returns.discounted_return")


@exam.add("discounted_sum", points=1, message="three winnings worked by hand", hint="the first one is not discounted")
def by_hand(discounted_sum):
    close(discounted_sum(torch.tensor([1.0, 2.0, 4.0]), 0.5), 3.0)


@exam.add("discounted_sum", points=0.5, message="gradients are the powers of the discount")
def gradients(discounted_sum):
    value, (gradient,) = discounted_sum.gradients(torch.tensor([1.0, 1.0, 1.0]), 0.5, wrt=(0,))
    close(value, 1.75)
    close(gradient, [1.0, 0.5, 0.25])


@exam.add("discounted_sum", points=0.5, message="a discount above 1 is refused")
def refuses(discounted_sum):
    raises(discounted_sum, torch.tensor([1.0]), 1.5, error="ValueError", mentions=("1.5",))


@exam.probe("discounted_sum", tolerance=1e-5)
def probe_sum(discounted_sum, random):
    return [discounted_sum(torch.rand(4, generator=random) + 1.0, 0.8) for _ in range(3)]


@exam.add("draw_tickets", points=1, message="the certain and the impossible ticket")
def certain(draw_tickets):
    close(draw_tickets(1.0, 3, exam.random()), [1, 1, 1])
    close(draw_tickets(0.0, 2, exam.random()), [0, 0])


@exam.add("draw_tickets", points=1, message="draws of one call differ", hint="how many draws were asked for?")
def differ(draw_tickets):
    # 200 fair draws are all equal with a probability of 2 ** -199.
    draws = draw_tickets(0.5, 200, exam.random())
    is_shape(draws, (200,))
    holds(0 < numbers(draws).sum() < 200, "all draws of a call are the same")


@exam.probe("draw_tickets", tolerance=0.1)
def probe_draws(draw_tickets, random):
    # The statistics of 400 calls of 10 draws lie within 0.1 of their expectation except once in 10 ** 9 runs.
    draws = numbers(draw_tickets.repeat(400, 0.3, 10, random), (400, 10))
    return [draws.mean(), (draws == draws[:, :1]).all(1).double().mean()]
