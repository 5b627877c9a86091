"""Hidden checks of the assignment *warm_up*, with references written as plain loops in float64."""

import gymnasium
import torch

from autograder.checks import Exam, Failed, build, close, holds, numbers

exam = Exam("warm_up", hidden=True)


def reference_episode(name, actions, seed, **keywords):
    """The episode, step by step, in an environment of our own."""
    environment = gymnasium.make(name, **keywords)
    environment.reset(seed=seed)
    rewards, terminated, truncated = [], False, False
    while len(rewards) < len(actions) and not (terminated or truncated):
        _, reward, terminated, truncated, _ = environment.step(actions[len(rewards)])
        rewards.append(float(reward))
    return rewards, bool(terminated), bool(truncated)


def reference_returns(rewards, discount):
    """Every return as its own sum."""
    values = rewards.tolist()
    return [sum(discount ** (k - t) * values[k] for k in range(t, len(values))) for t in range(len(values))]


def compare_episode(answer, expected):
    """Fail unless an answer is the expected episode."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise Failed(f"expected three results, (rewards, terminated, truncated), got {answer!r:.200}")
    close(answer[0], expected[0])
    for name, came, due in zip(("terminated", "truncated"), answer[1:], expected[1:], strict=True):
        holds(isinstance(came, (bool, int)) and bool(came) == due, f"expected {name} {due}, got {came!r:.100}")


@exam.add("run_episode", points=1, message="a slippery lake: the seed decides what happens")
def slippery(run):
    random = exam.random()
    for _ in range(8):
        seed = int(torch.randint(10_000, (), generator=random))
        actions = torch.randint(4, (30,), generator=random).tolist()
        keywords = {"is_slippery": True, "max_episode_steps": 7}
        environment = build("gymnasium:make", "FrozenLake-v1", **keywords)
        compare_episode(run(environment, actions, seed), reference_episode("FrozenLake-v1", actions, seed, **keywords))


@exam.add("run_episode", points=1, message="falls, goals and limits on the cliff")
def on_the_cliff(run):
    to_the_goal = [0] + [1] * 11 + [2]
    for actions, limit in ((to_the_goal + [0] * 5, None), ([1, 0, 1, 1], None), (to_the_goal, 13), ([3] * 20, 4)):
        environment = build("gymnasium:make", "CliffWalking-v1", max_episode_steps=limit)
        compare_episode(
            run(environment, actions, 3), reference_episode("CliffWalking-v1", actions, 3, max_episode_steps=limit)
        )


@exam.add("discounted_return", points=1, message="random rewards and discounts")
def random_returns(discounted_return):
    random = exam.random()
    for length in (1, 2, 17):
        rewards = torch.randn(length, generator=random, dtype=torch.float64)
        discount = float(torch.rand((), generator=random))
        close(discounted_return(rewards, discount), reference_returns(rewards, discount)[0])


@exam.add("returns_to_go", points=1, message="random rewards and discounts")
def random_returns_to_go(returns_to_go):
    random = exam.random()
    for length in (1, 2, 17):
        rewards = torch.randn(length, generator=random, dtype=torch.float64)
        discount = float(torch.rand((), generator=random))
        close(returns_to_go(rewards, discount), reference_returns(rewards, discount))


@exam.add("action_probabilities", points=1, message="random values with planted ties")
def planted_ties(probabilities):
    random = exam.random()
    values = torch.randn(6, 4, generator=random, dtype=torch.float64)
    values[:3, 3] = values[:3].amax(dim=1)
    epsilon = float(torch.rand((), generator=random))
    expected = []
    for row in values.tolist():
        best = [value == max(row) for value in row]
        expected.append([epsilon / 4 + (1 - epsilon) * mark / sum(best) for mark in best])
    close(probabilities(values, epsilon), expected)


@exam.add("action_probabilities", points=1, message="one action, many actions, float32")
def sizes(probabilities):
    close(probabilities(torch.tensor([[5.0]]), 0.3), [[1.0]])
    values = torch.arange(10.0)
    close(probabilities(values, 0.5), [0.05] * 9 + [0.55], tolerance=1e-5)


@exam.add("update_mean", points=1, message="reward after reward, for three arms at once")
def many_updates(update_mean):
    rewards = torch.randn(12, 3, generator=exam.random(), dtype=torch.float64)
    mean = torch.zeros(3, dtype=torch.float64)
    for n in range(12):
        mean = numbers(update_mean(mean, torch.full((3,), float(n), dtype=torch.float64), rewards[n]), (3,))
        close(mean, [sum(rewards[: n + 1, arm].tolist()) / (n + 1) for arm in range(3)])


@exam.add("fraction_of_best", points=1, message="random choices of several shapes")
def random_choices(fraction):
    random = exam.random()
    for seeds, steps in ((1, 5), (6, 3), (4, 4)):
        choices = torch.randint(4, (seeds, steps), generator=random)
        means = torch.randn(4, generator=random, dtype=torch.float64)
        best = means.tolist().index(max(means.tolist()))
        close(fraction(choices, means), [row.count(best) / steps for row in choices.tolist()])
