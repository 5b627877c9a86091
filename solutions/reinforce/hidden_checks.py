"""Hidden checks of the assignment *reinforce*, with references written as plain loops in float64.

The references share no code with `rlkit`; the package's own tests import them.
"""

import itertools
import math

import torch

from autograder.checks import Exam, Failed, close, holds, numbers

exam = Exam("reinforce", hidden=True)


# ---- references


def reference_returns_to_go(rewards, next_values, terminated, truncated, discount):
    """Add up every return on its own, forward from its step to where its episode ends or the recording does."""
    shape, num_steps = rewards.shape, len(rewards)
    arguments = (rewards, next_values, terminated, truncated)
    rewards, next_values, terminated, truncated = (part.reshape(num_steps, -1) for part in arguments)
    num_environments = rewards.shape[1]
    returns = torch.zeros(num_steps, num_environments, dtype=torch.float64)
    for b in range(num_environments):
        for t in range(num_steps):
            total, factor = 0.0, 1.0
            for k in range(t, num_steps):
                total += factor * float(rewards[k, b])
                factor *= discount
                if terminated[k, b]:
                    break
                if truncated[k, b] or k == num_steps - 1:
                    total += factor * float(next_values[k, b])
                    break
            returns[t, b] = total
    return returns.reshape(shape)


def reference_categorical_log_probability(logits, actions):
    """Logarithm of a softmax, row by row, with the largest logit taken out."""
    rows, chosen = logits.reshape(-1, logits.shape[-1]).tolist(), actions.reshape(-1).tolist()
    results = []
    for row, action in zip(rows, chosen, strict=True):
        largest = max(row)
        results.append(row[action] - largest - math.log(math.fsum(math.exp(z - largest) for z in row)))
    return torch.tensor(results, dtype=torch.float64).reshape(actions.shape)


def reference_gaussian_log_probability(mean, log_standard_deviation, actions):
    """Logarithm of a product of normal densities, dimension by dimension."""
    size = actions.shape[-1]
    log_deviations = log_standard_deviation.expand(actions.shape)
    rows = (part.reshape(-1, size).tolist() for part in (mean, log_deviations, actions))
    results = []
    for row in zip(*rows, strict=True):
        total = 0.0
        for mu, log_sigma, action in zip(*row, strict=True):
            sigma = math.exp(log_sigma)
            total += -((action - mu) ** 2) / (2 * sigma * sigma) - math.log(sigma * math.sqrt(2 * math.pi))
        results.append(total)
    return torch.tensor(results, dtype=torch.float64).reshape(actions.shape[:-1])


def reference_policy_gradient_loss(log_probabilities, advantages):
    """Minus the product, number by number."""
    pairs = zip(log_probabilities.reshape(-1).tolist(), advantages.reshape(-1).tolist(), strict=True)
    return torch.tensor([-p * a for p, a in pairs], dtype=torch.float64).reshape(log_probabilities.shape)


def reference_leave_one_out_baseline(returns):
    """The mean over a list from which one episode is missing."""
    rows = returns.reshape(len(returns), -1).tolist()
    results = []
    for n in range(len(rows)):
        others = rows[:n] + rows[n + 1 :]
        results.append([math.fsum(column) / len(others) for column in zip(*others, strict=True)])
    return torch.tensor(results, dtype=torch.float64).reshape(returns.shape)


def reference_policy_value(first, P, r, logits, discount, horizon):
    """J by backward induction: no trajectory is listed. Differentiable in the logits."""
    num_states, num_actions = r.shape
    policy = torch.exp(logits - torch.logsumexp(logits, dim=1, keepdim=True))
    values = [torch.zeros((), dtype=torch.float64)] * num_states
    for _ in range(horizon):
        later = values
        values = []
        for s in range(num_states):
            total = torch.zeros((), dtype=torch.float64)
            for a in range(num_actions):
                following = sum(P[s, a, arrival] * later[arrival] for arrival in range(num_states))
                total = total + policy[s, a] * (r[s, a] + discount * following)
            values.append(total)
    return sum(first[s] * values[s] for s in range(num_states))


def reference_exact_gradient(first, P, r, logits, discount, horizon):
    """Gradient of J by automatic differentiation."""
    logits = logits.clone().requires_grad_(True)
    value = reference_policy_value(first, P, r, logits, discount, horizon)
    return torch.autograd.grad(value, logits)[0]


def reference_gradient_by_differences(first, P, r, logits, discount, horizon, step=1e-4):
    """Gradient of J by central differences, right to about 1e-8."""
    result = torch.zeros_like(logits)
    for s, a in itertools.product(*map(range, logits.shape)):
        sides = []
        for sign in (1, -1):
            moved = logits.clone()
            moved[s, a] += sign * step
            sides.append(float(reference_policy_value(first, P, r, moved, discount, horizon)))
        result[s, a] = (sides[0] - sides[1]) / (2 * step)
    return result


def reference_variance_comparison(gradients):
    """Total variance and noise-to-signal ratio, number by number."""
    totals, ratios = [], []
    for table in gradients.tolist():
        count, total, length = len(table), 0.0, 0.0
        for column in zip(*table, strict=True):
            mean = math.fsum(column) / count
            total += math.fsum((x - mean) ** 2 for x in column) / (count - 1)
            length += mean * mean
        signal = length - total / count
        totals.append(total)
        ratios.append(total / signal if signal > 0 else math.inf)
    return totals, ratios


# ---- checks


def recording(random, shape, chance):
    """Return random rewards, values and flags; every step ends an episode in either way with a chance."""
    rewards = torch.randn(shape, generator=random, dtype=torch.float64)
    values = 10 * torch.randn(shape, generator=random, dtype=torch.float64)
    terminated, truncated = (torch.rand(2, *shape, generator=random) < chance).unbind(0)
    used = truncated.clone()
    used[-1] = True
    values[~used | terminated] = 1e6  # the value of an observation after a reset, say: it must not be used
    return rewards, values, terminated, truncated


@exam.add("returns_to_go", points=1, message="random recordings with endings of both kinds")
def returns_of_random_recordings(returns_to_go):
    random = exam.random()
    for shape, chance, discount in (((20, 6), 0.15, 0.9), ((30, 3), 0.05, 1.0), ((7, 2, 3), 0.5, 0.6)):
        arguments = recording(random, shape, chance)
        close(returns_to_go(*arguments, discount), reference_returns_to_go(*arguments, discount))


@exam.add("returns_to_go", points=1, message="a single step, a discount of 0, and a long episode without an end")
def returns_at_the_edges(returns_to_go):
    random = exam.random()
    for shape, chance, discount in (((1, 8), 0.4, 0.9), ((6, 2), 0.3, 0.0), ((200, 1), 0.0, 0.99)):
        arguments = recording(random, shape, chance)
        close(returns_to_go(*arguments, discount), reference_returns_to_go(*arguments, discount))


@exam.add("categorical_log_probability", points=0.5, message="random logits of several shapes, large ones too")
def categorical_on_random_logits(log_probability):
    random = exam.random()
    for shape, scale in (((5, 3), 1.0), ((2, 3, 4), 300.0), ((7, 1), 5.0), ((3, 3, 3), 2000.0), ((4,), 1.0)):
        logits = scale * torch.randn(shape, generator=random, dtype=torch.float64)
        actions = torch.randint(shape[-1], shape[:-1], generator=random)
        close(log_probability(logits, actions), reference_categorical_log_probability(logits, actions))


@exam.add("categorical_log_probability", points=0.5, message="its gradient at random logits")
def categorical_gradient(log_probability):
    random = exam.random()
    logits = 3 * torch.randn(1, 5, generator=random, dtype=torch.float64)
    for action in range(5):
        _, found = log_probability.gradients(logits.clone(), torch.tensor([action]))
        largest = max(logits[0].tolist())
        weights = [math.exp(z - largest) for z in logits[0].tolist()]
        close(found[0], [[(b == action) - weights[b] / sum(weights) for b in range(5)]])


@exam.add("gaussian_log_probability", points=0.5, message="random means and deviations of several shapes")
def gaussian_on_random_inputs(log_probability):
    random = exam.random()
    for shape, shared in (((5, 2), False), ((3, 4, 2), True), ((6, 1), False), ((4, 3), True), ((3,), False)):
        mean, actions = 3 * torch.randn(2, *shape, generator=random, dtype=torch.float64)
        log_deviation = torch.randn(shape[-1:] if shared else shape, generator=random, dtype=torch.float64)
        due = reference_gaussian_log_probability(mean, log_deviation, actions)
        close(log_probability(mean, log_deviation, actions), due)


@exam.add("gaussian_log_probability", points=0.5, message="its gradients at random inputs")
def gaussian_gradients(log_probability):
    random = exam.random()
    mean, log_deviation, actions = torch.randn(3, 1, 3, generator=random, dtype=torch.float64)
    _, found = log_probability.gradients(mean.clone(), log_deviation[0].clone(), actions, wrt=(0, 1))
    distance = ((actions - mean) * torch.exp(-log_deviation))[0].tolist()
    close(found[0], [[z * math.exp(-s) for z, s in zip(distance, log_deviation[0].tolist(), strict=True)]])
    close(found[1], [z * z - 1 for z in distance])


@exam.add("policy_gradient_loss", points=0.5, message="random steps of several shapes")
def losses_of_random_steps(loss):
    random = exam.random()
    for shape in ((6,), (3, 4), (2, 3, 4), (1,)):
        log_probabilities = -torch.rand(shape, generator=random, dtype=torch.float64)
        advantages = 3 * torch.randn(shape, generator=random, dtype=torch.float64)
        close(loss(log_probabilities, advantages), reference_policy_gradient_loss(log_probabilities, advantages))


@exam.add("policy_gradient_loss", points=0.5, message="gradients: minus the advantage, and none")
def gradients_of_random_losses(loss):
    random = exam.random()
    for shape in ((1,), (1, 1), (1, 1, 1)):
        log_probability = -torch.rand(shape, generator=random, dtype=torch.float64)
        advantage = torch.randn(shape, generator=random, dtype=torch.float64)
        _, found = loss.gradients(log_probability, advantage.clone(), wrt=(0, 1))
        holds(found[0] is not None, "no gradient reaches the log-probability")
        close(found[0], -advantage)
        holds(found[1] is None or not numbers(found[1]).any(), "a gradient reaches the advantage")


@exam.add("leave_one_out_baseline", points=0.5, message="random returns, with and without steps")
def baselines_of_random_returns(baseline):
    random = exam.random()
    for shape in ((7,), (2,), (5, 3), (3, 1), (2, 6)):
        returns = 4 * torch.randn(shape, generator=random, dtype=torch.float64) + 10
        close(baseline(returns), reference_leave_one_out_baseline(returns))


@exam.add(
    "leave_one_out_baseline", points=0.5, message="the expected gradient is the true one, over all outcomes of 4 draws"
)
def baselines_leave_the_gradient(baseline):
    # A coin toss between actions worth x and y: the gradient for the first logit is (x - y) / 4.
    x, y = (3 * torch.randn(2, generator=exam.random(), dtype=torch.float64)).tolist()
    total = 0.0
    for draws in itertools.product((0, 1), repeat=4):
        returns = torch.tensor([(x, y)[draw] for draw in draws], dtype=torch.float64)
        against = numbers(baseline(returns), (4,))
        # A baseline of zero would leave the gradient too, and nothing would be compared with anything.
        close(against, reference_leave_one_out_baseline(returns))
        scores = torch.tensor([(0.5, -0.5)[draw] for draw in draws], dtype=torch.float64)
        total += float((scores * (returns - against)).mean()) / 16
    close(total, (x - y) / 4)


def small_problem(random, num_states, num_actions):
    """Return a random initial distribution, transition probabilities with zeros, rewards and logits."""
    first = torch.rand(num_states, generator=random, dtype=torch.float64)
    weights = torch.rand(num_states, num_actions, num_states, generator=random, dtype=torch.float64)
    weights = weights * (torch.rand(weights.shape, generator=random) < 0.7)
    weights[..., 0] += 0.1
    rewards, logits = 2 * torch.randn(2, num_states, num_actions, generator=random, dtype=torch.float64)
    return first / first.sum(), weights / weights.sum(dim=2, keepdim=True), rewards, logits


@exam.add("exact_gradient", points=1, message="random problems, against the derivative of the exact J")
def gradient_of_random_problems(gradient):
    random = exam.random()
    for states, actions, horizon, discount in ((3, 2, 3, 0.9), (1, 4, 3, 0.5), (4, 1, 2, 0.9), (2, 3, 1, 0.8)):
        problem = small_problem(random, states, actions)
        close(gradient(*problem, discount, horizon), reference_exact_gradient(*problem, discount, horizon))


@exam.add("exact_gradient", points=1, message="far ahead and undiscounted, against finite differences of J")
def gradient_far_ahead(gradient):
    random = exam.random()
    for states, actions, horizon, discount in ((2, 2, 4, 0.3), (2, 2, 4, 1.0)):
        problem = small_problem(random, states, actions)
        due = reference_gradient_by_differences(*problem, discount, horizon)
        close(gradient(*problem, discount, horizon), due, tolerance=1e-5)


@exam.add("variance_comparison", points=1, message="random estimates, some of them without a signal")
def variances_of_random_estimates(compare):
    random = exam.random()
    for shape in ((4, 10, 6), (1, 2, 3), (3, 5, 1)):
        estimates = torch.randn(shape, generator=random, dtype=torch.float64)
        estimates[0] += 2.0
        estimates[-1] *= torch.linspace(0.5, 2.0, shape[2], dtype=torch.float64)
        answer = compare(estimates)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Failed(f"expected two results, got {type(answer).__name__}")
        totals, ratios = reference_variance_comparison(estimates)
        close(answer[0], totals)
        close(answer[1], ratios, tolerance=1e-5)


@exam.add(
    "train_policy",
    points=0.5,
    message="the same seed gives the same network, and more iterations another one",
    hint="does every random number come from the given seed, and is the number of iterations used?",
    seconds=20,
)
def training_is_repeatable(train_policy):
    seed = int(torch.randint(2**31 - 1, (1,), generator=exam.random()))
    first, again, longer = (_network(train_policy(seed, count)) for count in (2, 2, 3))
    same = [bool(a.shape == b.shape and (a - b).abs().max() < 1e-6) for a, b in zip(first, again, strict=True)]
    holds(all(same), "two runs with the same seed gave different networks")
    moved = [bool(a.shape != b.shape or (a - b).abs().max() > 1e-6) for a, b in zip(first, longer, strict=True)]
    holds(any(moved), "2 and 3 iterations gave the same network")


def _network(answer):
    if not isinstance(answer, (list, tuple)) or not answer:
        raise Failed(f"expected a list [W1, b1, W2, b2], got {type(answer).__name__}")
    return [numbers(part) for part in answer]
