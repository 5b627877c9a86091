"""Right answers to *q_learning* that are written differently; each must get full marks."""

import numpy as np
import torch

from autograder.checks import alternative


@alternative("epsilon_greedy")
def draw_from_probabilities(action_values, epsilon, generator):
    """Build the distribution and use multinomial."""
    best = (action_values == action_values.amax(-1, keepdim=True)).double()
    probabilities = (1 - epsilon) * best / best.sum(-1, keepdim=True) + epsilon / action_values.shape[-1]
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)


@alternative("epsilon_greedy")
def noise_for_ties(action_values, epsilon, generator):
    """A tiny noise breaks ties; NumPy draws from a seed of the generator."""
    seed = int(torch.randint(2**31, (), generator=generator))
    random, values = np.random.default_rng(seed), action_values.numpy()
    greedy = (values + 1e-9 * random.random(values.shape)).argmax(-1)
    uniform = random.integers(values.shape[1], size=len(values))
    return np.where(random.random(len(values)) < epsilon, uniform, greedy)


@alternative("q_learning_target")
def q_in_numpy(reward, next_action_values, terminated, discount):
    """NumPy in, NumPy out."""
    return np.where(terminated.numpy(), reward, reward.numpy() + discount * next_action_values.numpy().max(-1))


@alternative("q_learning_target")
def q_by_masking(reward, next_action_values, terminated, discount):
    """Set the values of ended transitions to zero first."""
    values, _ = next_action_values.masked_fill(terminated.unsqueeze(-1), 0.0).max(dim=-1)
    return torch.add(reward, values, alpha=discount)


@alternative("expected_sarsa_target")
def expected_as_mixture(reward, values, epsilon, terminated, discount):
    """The average of the best value and the mean: ties do not matter."""
    expected = (1 - epsilon) * values.amax(-1) + epsilon * values.mean(-1)
    return torch.where(terminated, reward, reward + discount * expected)


@alternative("expected_sarsa_target")
def expected_in_numpy(reward, values, epsilon, terminated, discount):
    """NumPy, with probabilities."""
    values = values.numpy()
    best = values == values.max(-1, keepdims=True)
    policy = (1 - epsilon) * best / best.sum(-1, keepdims=True) + epsilon / values.shape[-1]
    return reward.numpy() + discount * (1 - terminated.numpy()) * np.einsum("...a,...a->...", policy, values)


@alternative("double_q_target")
def double_by_one_hot(reward, selecting, evaluating, terminated, discount):
    """Multiply by a one-hot row in place of gathering."""
    chosen = torch.nn.functional.one_hot(selecting.argmax(-1), selecting.shape[-1])
    return reward + discount * (1 - terminated.double()) * (chosen * evaluating).sum(-1)


@alternative("double_q_target")
def double_in_numpy(reward, selecting, evaluating, terminated, discount):
    """NumPy's take_along_axis."""
    chosen = selecting.numpy().argmax(-1)[..., None]
    value = np.take_along_axis(evaluating.numpy(), chosen, -1)[..., 0]
    return reward.numpy() + discount * ~terminated.numpy() * value


@alternative("update_table")
def update_by_dictionary(action_values, states, actions, targets, learning_rate):
    """Collect the targets of each cell in lists."""
    lists = {}
    for cell, target in zip(zip(states.tolist(), actions.tolist(), strict=True), targets.tolist(), strict=True):
        lists.setdefault(cell, []).append(target)
    result = action_values.clone()
    for cell, found in lists.items():
        result[cell] += learning_rate * (float(np.mean(found)) - result[cell])
    return result


@alternative("update_table")
def update_by_sum_of_errors(action_values, states, actions, targets, learning_rate):
    """Every error counts with one over the visits of its cell."""
    visits = torch.zeros_like(action_values).index_put((states, actions), torch.ones_like(targets), accumulate=True)
    error = (targets - action_values[states, actions]) / visits[states, actions]
    return action_values.index_put((states, actions), learning_rate * error, accumulate=True)


@alternative("n_step_returns")
def n_step_backwards(rewards, next_values, terminated, truncated, discount, n):
    """n sweeps of the recursion over the horizon."""
    stop = truncated.clone()
    stop[-1] = True
    returns = rewards + discount * torch.where(terminated, torch.zeros_like(next_values), next_values)
    for _ in range(min(n, len(rewards)) - 1):
        rest = torch.where(stop, next_values, torch.cat([returns[1:], next_values[-1:]]))
        returns = rewards + discount * torch.where(terminated, torch.zeros_like(rest), rest)
    return returns


@alternative("n_step_returns")
def n_step_recursive(rewards, next_values, terminated, truncated, discount, n):
    """The definition, in plain Python."""

    def value(t, left):
        if terminated[t]:
            return rewards[t].item()
        last = left == 1 or bool(truncated[t]) or t + 1 == len(rewards)
        return rewards[t].item() + discount * (next_values[t].item() if last else value(t + 1, left - 1))

    return [value(t, n) for t in range(len(rewards))]


@alternative("learn")
def learn_with_other_settings(environment, discount, num_steps, seed):
    """Another learning rate, epsilon that falls, a table of tensors' lists."""
    random = np.random.default_rng(seed + 1)
    rows = [[0.0] * int(environment.action_space.n) for _ in range(int(environment.observation_space.n))]
    state, _ = environment.reset(seed=seed)
    for step in range(num_steps):
        explores = random.random() < max(0.1, 1 - 2 * step / num_steps)
        best = max(rows[state])
        ties = [action for action, value in enumerate(rows[state]) if explores or value == best]
        action = int(random.choice(ties))
        following, reward, terminated, truncated, _ = environment.step(action)
        future = 0.0 if terminated else max(rows[following])
        rows[state][action] = 0.7 * rows[state][action] + 0.3 * (reward + discount * future)
        state = environment.reset()[0] if terminated or truncated else following
    return rows


@alternative("learn")
def learn_at_full_rate(environment, discount, num_steps, seed):
    """These environments are deterministic, so a table may be overwritten by its targets."""
    random = np.random.default_rng(seed)
    table = np.zeros((environment.observation_space.n, environment.action_space.n))
    state, _ = environment.reset(seed=seed)
    for _ in range(num_steps):
        noise = random.random(table.shape[1]) * 1e-9
        action = int(random.integers(len(noise)) if random.random() < 0.3 else (table[state] + noise).argmax())
        following, reward, terminated, truncated, _ = environment.step(action)
        table[state, action] = reward + discount * table[following].max() * (not terminated)
        state = environment.reset()[0] if terminated or truncated else following
    return table
