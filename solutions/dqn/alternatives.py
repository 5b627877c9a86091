"""Right answers to *dqn* that are written differently; each must get full marks."""

import copy
import itertools

import numpy as np
import torch

from autograder.checks import alternative


@alternative("replay_write")
def replay_by_a_loop(capacity, num_written, batch_size):
    """One row after another, as a list."""
    rows, row = [], num_written % capacity
    for _ in range(batch_size):
        rows.append(row)
        row = 0 if row + 1 == capacity else row + 1
    written = num_written + batch_size
    return rows, written, written if written < capacity else capacity


@alternative("replay_write")
def replay_by_numpy(capacity, num_written, batch_size):
    """NumPy, in two pieces: up to the end, and from the beginning."""
    first = num_written % capacity
    until_end = min(batch_size, capacity - first)
    rows = np.concatenate([np.arange(first, first + until_end), np.arange(batch_size - until_end)])
    return rows, num_written + batch_size, int(np.minimum(num_written + batch_size, capacity))


@alternative("td_target")
def target_without_history(reward, next_action_values, terminated, discount):
    """`no_grad`, and `where` instead of a product."""
    with torch.no_grad():
        best, _ = next_action_values.max(1)
        return torch.where(terminated, reward, reward + discount * best)


@alternative("td_target")
def target_by_numpy(reward, next_action_values, terminated, discount):
    """NumPy, one transition at a time."""
    values, ends = next_action_values.detach().numpy(), terminated.numpy()
    return np.array(
        [r if end else r + discount * v.max() for r, v, end in zip(reward.numpy(), values, ends, strict=True)]
    )


@alternative("double_q_target")
def double_by_indexing(reward, selecting_action_values, evaluating_action_values, terminated, discount):
    """Two lists of indices."""
    chosen = selecting_action_values.max(1).indices
    value = evaluating_action_values[torch.arange(len(reward)), chosen]
    return (reward + discount * (1 - terminated.to(reward.dtype)) * value).detach()


@alternative("double_q_target")
def double_by_one_hot(reward, selecting_action_values, evaluating_action_values, terminated, discount):
    """A mask with one 1 in each row."""
    mask = torch.nn.functional.one_hot(selecting_action_values.argmax(-1), selecting_action_values.shape[-1])
    with torch.no_grad():
        future = discount * (mask * evaluating_action_values).sum(-1)
        return reward + future.masked_fill(terminated, 0.0)


@alternative("dqn_loss")
def loss_of_torch(action_values, actions, targets, threshold):
    """PyTorch's own, without its mean."""
    predictions = action_values[torch.arange(len(actions)), actions]
    return torch.nn.functional.huber_loss(predictions, targets, reduction="none", delta=threshold)


@alternative("dqn_loss")
def loss_by_clamping(action_values, actions, targets, threshold):
    """Without branches."""
    mask = torch.nn.functional.one_hot(actions, action_values.shape[1])
    size = ((action_values * mask).sum(1) - targets).abs()
    near = size.clamp(max=threshold)
    return near * (size - near / 2)


@alternative("dqn_loss")
def loss_by_a_loop(action_values, actions, targets, threshold):
    """One transition at a time."""
    losses = []
    for row, action, target in zip(action_values, actions.tolist(), targets, strict=True):
        error = row[action] - target
        far = threshold * (error.abs() - threshold / 2)
        losses.append(error.square() / 2 if abs(float(error)) < threshold else far)
    return torch.stack(losses)


@alternative("soft_update")
def update_by_lerp(target_parameters, online_parameters, rate):
    """Linear interpolation."""
    return [
        torch.lerp(target, online, rate) for target, online in zip(target_parameters, online_parameters, strict=True)
    ]


@alternative("soft_update")
def update_by_steps(target_parameters, online_parameters, rate):
    """Copies that are moved by a share of the difference, in NumPy."""
    updated = []
    for index, target in enumerate(target_parameters):
        moved = target.numpy().copy()
        moved += rate * (online_parameters[index].numpy() - moved)
        updated.append(moved)
    return tuple(updated)


@alternative("diagnose")
def diagnose_by_a_table(learned, discount, tolerance):
    """A table of what is right, and NumPy."""
    due = {"constant": [1], "observation": [-1, 1], "delay": [discount, 1], "action": [-1, 1], "both": [1, -1, -1, 1]}
    for probe, values in due.items():
        if np.allclose(learned[probe], values, rtol=0, atol=tolerance):
            continue
        if probe == "constant":
            endless = abs(learned[probe][0] * (1 - discount) - 1) <= tolerance * (1 - discount)
            return "bootstraps past the end" if endless else "loss or optimiser"
        if probe == "delay":
            return "forgets the discount" if abs(learned[probe][0] - 1) <= tolerance else "no bootstrapping"
        named = {"observation": "observation not used", "action": "actions mixed up"}
        return named.get(probe, "observation and action not combined")
    return "no bug found"


@alternative("diagnose")
def diagnose_backwards(learned, discount, tolerance):
    """From the last probe to the first, so that the first that fails has the last word."""

    def far(probe, *due):
        return not max(
            abs(value - right) for value, right in zip(learned[probe], due, strict=True)
        ) <= tolerance or any(value != value for value in learned[probe])

    verdict = "no bug found"
    if far("both", 1, -1, -1, 1):
        verdict = "observation and action not combined"
    if far("action", -1, 1):
        verdict = "actions mixed up"
    if far("delay", discount, 1):
        verdict = "forgets the discount" if abs(learned["delay"][0] - 1) <= tolerance else "no bootstrapping"
    if far("observation", -1, 1):
        verdict = "observation not used"
    if far("constant", 1):
        verdict = "bootstraps past the end" if not far("constant", 1 / (1 - discount)) else "loss or optimiser"
    return verdict


@alternative("train_catch")
def trained_without_double_q(num_steps, seed):
    """Without double Q-learning, a squared error, and hard updates of the target network."""
    from rlkit.deep_q_learning import DeepQConfig, train
    from rlkit.environments import Catch

    def target(reward, next_action_values, terminated, discount):
        return torch.where(terminated, reward, reward + discount * next_action_values.amax(-1))

    config = DeepQConfig(num_steps=num_steps, seed=seed, double=False, target_rate=1.0, target_every=100)
    result = train(Catch((1, 4), seed=seed, device="cpu"), config, target=target, loss=lambda q, y: 0.5 * (q - y) ** 2)
    return result.network.export(0)


@alternative("train_catch")
def trained_without_rlkit(num_steps, seed):
    """A loop of one's own in plain PyTorch."""
    torch.manual_seed(seed)
    sizes = (50, 32, 32, 3)
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    slow = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    cells, bottom = torch.eye(50), 45

    def look(row, ball, paddle):
        return (cells[5 * row + ball] + cells[bottom + paddle]).clamp(max=1)

    memory = torch.zeros(4 * num_steps, 103)
    row, ball, paddle = torch.zeros(4, dtype=torch.int64), torch.randint(5, (4,)), torch.full((4,), 2)
    for step in range(num_steps):
        seen = look(row, ball, paddle)
        with torch.no_grad():
            action = network(seen).argmax(1)
        explores = torch.rand(4) < max(0.05, 1 - 5 * step / num_steps)
        action = torch.where(explores, torch.randint(3, (4,)), action)
        row, paddle = row + 1, (paddle + action - 1).clamp(0, 4)
        end = row == 9
        reward = end * torch.where(paddle == ball, 1.0, -1.0)
        rest = torch.stack([action, reward, end], dim=1)
        memory[4 * step : 4 * step + 4] = torch.cat([seen, look(row, ball, paddle), rest], dim=1)
        row, paddle = row.masked_fill(end, 0), paddle.masked_fill(end, 2)
        ball = torch.where(end, torch.randint(5, (4,)), ball)
        if step < 200:
            continue
        optimizer.param_groups[0]["lr"] = 1e-3 * max(0.02, 1 - step / num_steps)
        seen, after, rest = memory[torch.randint(4 * step + 4, (64,))].split([50, 50, 3], dim=1)
        with torch.no_grad():
            aim = rest[:, 1] + 0.99 * (1 - rest[:, 2]) * slow(after).amax(1)
        predicted = network(seen)[torch.arange(64), rest[:, 0].long()]
        optimizer.zero_grad()
        (predicted - aim).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(slow.parameters(), network.parameters(), strict=True):
                old += 0.01 * (new - old)
    return [part.detach() for layer in layers for part in (layer.weight.T.contiguous(), layer.bias)]
