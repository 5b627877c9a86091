"""Public checks of the assignment *warm_up*. Small tables of numbers and properties; no solution is in here."""

import torch

from autograder.checks import Exam, Failed, build, close, holds, numbers

exam = Exam("warm_up")

exam.asks_for("discounted_return", "rlkit.returns.discounted_return")
exam.asks_for("action_probabilities", "rlkit.exploration.action_probabilities")
exam.asks_for("update_mean", "rlkit.bandit.update_mean")


def lake(limit=100):
    """A frozen lake that is not slippery; it is made where the student's code runs."""
    return build("gymnasium:make", "FrozenLake-v1", is_slippery=False, max_episode_steps=limit)


def cliff(limit=None):
    """The cliff: every step costs 1, a fall costs 100 and goes back to the start."""
    return build("gymnasium:make", "CliffWalking-v1", max_episode_steps=limit)


def three(answer):
    """Check that an episode is reported as rewards and two flags."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise Failed(f"expected three results, (rewards, terminated, truncated), got {answer!r:.200}")
    rewards, terminated, truncated = answer
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, (bool, int)):
            raise Failed(f"{name} is {flag!r:.100}, expected True or False")
    return rewards, bool(terminated), bool(truncated)


def table(*rows):
    """A float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


# ---- run_episode


@exam.add("run_episode", points=0.5, message="three steps that end nothing", hint="the worked example above")
def three_steps(run):
    rewards, terminated, truncated = three(run(lake(), [1, 1, 2], 0))
    close(rewards, [0, 0, 0])
    holds(not terminated and not truncated, "nothing ended, but a flag is true")


@exam.add(
    "run_episode",
    points=0.5,
    message="to the goal: the last reward counts, and the rest of the list does not",
    hint="stop at the end",
)
def to_the_goal(run):
    rewards, terminated, truncated = three(run(lake(), [1, 1, 2, 1, 2, 2, 0, 0, 0], 0))
    close(rewards, [0, 0, 0, 0, 0, 1])
    holds(
        terminated and not truncated,
        f"reaching the goal terminates; got terminated {terminated}, truncated {truncated}",
    )


@exam.add(
    "run_episode", points=1, message="the limit of 5 steps cuts the episode off", hint="either flag ends the episode"
)
def cut_off(run):
    rewards, terminated, truncated = three(run(cliff(limit=5), [0] * 9, 0))
    close(rewards, [-1] * 5)
    holds(truncated and not terminated, f"a limit truncates; got terminated {terminated}, truncated {truncated}")


@exam.probe("run_episode")
def probe_episode(run, random):
    slippery = build("gymnasium:make", "FrozenLake-v1", is_slippery=True, max_episode_steps=6)
    seed = int(torch.randint(1000, (), generator=random))
    return [
        run(lake(), [1, 1, 2], seed),
        run(lake(), [1, 1, 2, 1, 2, 2, 0, 0], seed),
        run(cliff(limit=5), [0] * 9, seed),
        [run(slippery, [1, 2] * 5, seed + n) for n in range(12)],
    ]


# ---- discounted_return


@exam.add("discounted_return", points=1, message="rewards (1, 0, 4) at discount 0.5", hint="1 + 0 / 2 + 4 / 4")
def three_rewards(discounted_return):
    close(discounted_return(table(1.0, 0.0, 4.0), 0.5), 2.0)


@exam.add(
    "discounted_return", points=0.5, message="with discount 1 it is the sum, with 0 the first reward", hint="γ⁰ = 1"
)
def extremes(discounted_return):
    close(discounted_return(table(2.0, -3.0, 5.0, 1.0), 1.0), 5.0)
    close(discounted_return(table(2.0, -3.0, 5.0, 1.0), 0.0), 2.0)


@exam.add(
    "discounted_return", points=0.5, message="one reward, and a long row of ones", hint="1 / (1 - 0.9) = 10, nearly"
)
def one_and_many(discounted_return):
    close(discounted_return(table(7.0), 0.9), 7.0)
    close(discounted_return(torch.ones(300, dtype=torch.float64), 0.9), 10.0)


@exam.probe("discounted_return")
def probe_return(discounted_return, random):
    rewards = torch.randn(6, generator=random, dtype=torch.float64)
    return [discounted_return(rewards, 0.7), discounted_return(rewards[:2], 0.9)]


# ---- returns_to_go


@exam.add(
    "returns_to_go",
    points=1,
    message="rewards (1, 0, 4) at discount 0.5",
    hint="from the end: 4, then 0 + 0.5 · 4, ...",
)
def three_returns(returns_to_go):
    close(returns_to_go(table(1.0, 0.0, 4.0), 0.5), [2.0, 2.0, 4.0])


@exam.add("returns_to_go", points=1, message="each return is its reward plus the discounted next one")
def recursion(returns_to_go):
    rewards = torch.randn(20, generator=exam.random(), dtype=torch.float64)
    returns = numbers(returns_to_go(rewards, 0.95), (20,))
    close(returns[-1], rewards[-1])
    close(returns[:-1] - 0.95 * returns[1:], rewards[:-1])


@exam.probe("returns_to_go")
def probe_returns(returns_to_go, random):
    return returns_to_go(torch.randn(6, generator=random, dtype=torch.float64), 0.7)


# ---- action_probabilities


@exam.add(
    "action_probabilities",
    points=0.5,
    message="four actions, epsilon 0.2",
    hint="0.05 from exploring, 0.8 more for the best",
)
def four_actions(probabilities):
    close(probabilities(table(0.0, 3.0, 1.0, 2.0), 0.2), [0.05, 0.85, 0.05, 0.05])


@exam.add(
    "action_probabilities", points=0.5, message="two best actions share", hint="the greedy part is divided between them"
)
def two_best(probabilities):
    close(probabilities(table(1.0, 5.0, 5.0), 0.3), [0.1, 0.45, 0.45])


@exam.add(
    "action_probabilities",
    points=0.5,
    message="every row is a choice of its own, and sums to 1",
    hint="work along the last axis",
)
def rows(probabilities):
    values = torch.randn(2, 3, 5, generator=exam.random(), dtype=torch.float64)
    found = numbers(probabilities(values, 0.4), (2, 3, 5))
    close(found.sum(dim=-1), [[1.0] * 3] * 2)
    close(found.amax(dim=-1), [[0.68] * 3] * 2)


@exam.add(
    "action_probabilities", points=0.5, message="epsilon 0 and 1, negative values", hint="never and always exploring"
)
def never_and_always(probabilities):
    values = table(-3.0, -1.0, -2.0, -4.0)
    close(probabilities(values, 0.0), [0, 1, 0, 0])
    close(probabilities(values, 1.0), [0.25] * 4)


@exam.probe("action_probabilities")
def probe_probabilities(probabilities, random):
    values = torch.randn(2, 4, generator=random, dtype=torch.float64)
    return [probabilities(values, 0.3), probabilities(table(2.0, 1.0, 2.0), 0.3)]


# ---- update_mean


@exam.add("update_mean", points=0.5, message="two rewards of mean 3, then 6", hint="3 + (6 - 3) / 3")
def third_reward(update_mean):
    close(update_mean(3.0, 2, 6.0), 4.0)


@exam.add(
    "update_mean", points=0.5, message="the first reward replaces whatever stood there", hint="count is 0 before it"
)
def first_reward(update_mean):
    close(update_mean(-100.0, 0, 5.0), 5.0)


@exam.probe("update_mean")
def probe_mean(update_mean, random):
    mean, reward = torch.randn(2, generator=random, dtype=torch.float64).tolist()
    return [update_mean(mean, 4, reward), update_mean(mean, 1, reward), update_mean(mean, 0, reward)]


# ---- fraction_of_best


@exam.add(
    "fraction_of_best", points=1, message="two seeds, four steps; arm 2 is best", hint="seed 0 pulled it 3 times of 4"
)
def two_seeds(fraction):
    choices = torch.tensor([[2, 2, 0, 2], [1, 1, 2, 0]])
    close(fraction(choices, table(0.1, 0.5, 0.9)), [0.75, 0.25])


@exam.probe("fraction_of_best")
def probe_fraction(fraction, random):
    choices = torch.randint(3, (3, 7), generator=random)
    choices[0, 0], choices[1, 1], choices[2, 2] = 0, 1, 2
    choices[0, 1] = choices[0, 2] = 2
    return fraction(choices, table(0.3, 0.2, 0.9))
