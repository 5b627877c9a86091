"""Wrong answers to *q_learning* that students give, each with its name and a hint that does not give the answer."""

import numpy as np
import torch

from autograder.checks import misconception

# ---- epsilon_greedy


def best_with_ties(action_values, generator):
    """The greedy part, right: the mistakes are around it."""
    scores = torch.rand(action_values.shape, generator=generator)
    best = action_values == action_values.amax(dim=-1, keepdim=True)
    return torch.where(best, scores, -1.0).argmax(dim=-1)


@misconception(
    "epsilon_greedy",
    name="explores only among the other actions",
    hint="A random action may happen to be the best one.",
)
def _(action_values, epsilon, generator):
    explores = torch.rand(len(action_values), generator=generator) < epsilon
    best = action_values.argmax(dim=-1)
    shift = torch.randint(1, action_values.shape[1], (len(action_values),), generator=generator)
    return torch.where(explores, (best + shift) % action_values.shape[1], best_with_ties(action_values, generator))


@misconception(
    "epsilon_greedy", name="the first of equally good actions always", hint="Which index does argmax return on a tie?"
)
def _(action_values, epsilon, generator):
    explores = torch.rand(len(action_values), generator=generator) < epsilon
    random = torch.randint(action_values.shape[1], (len(action_values),), generator=generator)
    return torch.where(explores, random, action_values.argmax(dim=-1))


@misconception(
    "epsilon_greedy", name="one coin for the whole batch", hint="How many random numbers decide whether rows explore?"
)
def _(action_values, epsilon, generator):
    if torch.rand((), generator=generator) < epsilon:
        return torch.randint(action_values.shape[1], (len(action_values),), generator=generator)
    return best_with_ties(action_values, generator)


@misconception("epsilon_greedy", name="never explores", hint="What does epsilon change?")
def _(action_values, epsilon, generator):
    return best_with_ties(action_values, generator)


@misconception(
    "epsilon_greedy",
    name="explores with probability 1 − ε",
    hint="Is a small epsilon a little or a lot of chance?",
)
def _(action_values, epsilon, generator):
    explores = torch.rand(len(action_values), generator=generator) >= epsilon
    random = torch.randint(action_values.shape[1], (len(action_values),), generator=generator)
    return torch.where(explores, random, best_with_ties(action_values, generator))


# ---- targets

ENDING_HINT = "Where the episode has terminated there is no next state, so nothing is added to the reward."


@misconception("q_learning_target", name="bootstraps past the end", hint=ENDING_HINT)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * next_action_values.amax(-1)


@misconception(
    "q_learning_target",
    name="the mean over next actions instead of the maximum",
    hint="Q-learning assumes the best next action, whatever was done.",
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * ~terminated * next_action_values.mean(-1)


@misconception("q_learning_target", name="bootstraps only at the end", hint="When is there a next state to look at?")
def _(reward, next_action_values, terminated, discount):
    return reward + discount * terminated * next_action_values.amax(-1)


@misconception("q_learning_target", name="forgets the discount", hint="A reward tomorrow is worth less than today.")
def _(reward, next_action_values, terminated, discount):
    return reward + ~terminated * next_action_values.amax(-1)


@misconception(
    "q_learning_target", name="no reward where the episode ends", hint="Is the last reward of an episode paid?"
)
def _(reward, next_action_values, terminated, discount):
    return ~terminated * (reward + discount * next_action_values.amax(-1))


@misconception(
    "q_learning_target", name="one maximum over the whole batch", hint="Each transition has a next state of its own."
)
def _(reward, next_action_values, terminated, discount):
    return reward + discount * ~terminated * next_action_values.max()


def greedy_share(values):
    """One over the number of best actions, on the best actions."""
    best = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    return best / best.sum(-1, keepdim=True)


@misconception("expected_sarsa_target", name="bootstraps past the end", hint=ENDING_HINT)
def _(reward, values, epsilon, terminated, discount):
    policy = (1 - epsilon) * greedy_share(values) + epsilon / values.shape[-1]
    return reward + discount * (policy * values).sum(-1)


@misconception(
    "expected_sarsa_target",
    name="the maximum instead of the average over the policy",
    hint="The policy does not always take the best action.",
)
def _(reward, values, epsilon, terminated, discount):
    return reward + discount * ~terminated * values.amax(-1)


@misconception(
    "expected_sarsa_target",
    name="the best action gets only 1 − ε",
    hint="Do the probabilities of your policy add up to 1?",
)
def _(reward, values, epsilon, terminated, discount):
    best = greedy_share(values)
    policy = torch.where(best > 0, (1 - epsilon) * best, epsilon / values.shape[-1])
    return reward + discount * ~terminated * (policy * values).sum(-1)


@misconception(
    "expected_sarsa_target",
    name="explores only among the other actions",
    hint="A random action may happen to be the best one.",
)
def _(reward, values, epsilon, terminated, discount):
    best = greedy_share(values)
    policy = torch.where(best > 0, (1 - epsilon) * best, epsilon / max(values.shape[-1] - 1, 1))
    return reward + discount * ~terminated * (policy * values).sum(-1)


@misconception(
    "expected_sarsa_target",
    name="a uniform average over the next actions",
    hint="Is the policy uniform? Look at epsilon.",
)
def _(reward, values, epsilon, terminated, discount):
    return reward + discount * ~terminated * values.mean(-1)


@misconception("double_q_target", name="bootstraps past the end", hint=ENDING_HINT)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * evaluating.gather(-1, selecting.argmax(-1, keepdim=True)).squeeze(-1)


@misconception(
    "double_q_target",
    name="selects and evaluates with the same table",
    hint="The second table is there so that a lucky value is not believed.",
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * selecting.amax(-1)


@misconception(
    "double_q_target", name="the maximum of the evaluating table", hint="Which table says what is done next?"
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * evaluating.amax(-1)


@misconception("double_q_target", name="the tables' roles swapped", hint="Which of the two chooses the action?")
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * selecting.gather(-1, evaluating.argmax(-1, keepdim=True)).squeeze(-1)


@misconception(
    "double_q_target", name="the maximum of the mean of both tables", hint="Averaging keeps a part of the lucky value."
)
def _(reward, selecting, evaluating, terminated, discount):
    return reward + discount * ~terminated * (0.5 * (selecting + evaluating)).amax(-1)


# ---- update_table


@misconception(
    "update_table",
    name="only one of several updates of a cell counts",
    hint="What does an assignment through a list of indices do when an index occurs twice?",
)
def _(action_values, states, actions, targets, learning_rate):
    result = action_values.clone()
    for state, action, target in zip(states.tolist(), actions.tolist(), targets.tolist(), strict=True):
        result[state, action] = action_values[state, action] + learning_rate * (target - action_values[state, action])
    return result


@misconception(
    "update_table",
    name="adds up the errors of a cell instead of averaging",
    hint="Ten visits must not overshoot tenfold.",
)
def _(action_values, states, actions, targets, learning_rate):
    error = learning_rate * (targets - action_values[states, actions])
    return action_values.index_put((states, actions), error, accumulate=True)


@misconception(
    "update_table",
    name="one visit after the other",
    hint="All targets of the batch count the same, whatever their order.",
)
def _(action_values, states, actions, targets, learning_rate):
    result = action_values.clone()
    for state, action, target in zip(states.tolist(), actions.tolist(), targets.tolist(), strict=True):
        result[state, action] += learning_rate * (target - result[state, action])
    return result


@misconception("update_table", name="overwrites the cell with its target", hint="What does the learning rate do?")
def _(action_values, states, actions, targets, learning_rate):
    total = torch.zeros_like(action_values).index_put_((states, actions), targets, accumulate=True)
    visits = torch.zeros_like(action_values).index_put_((states, actions), torch.ones_like(targets), accumulate=True)
    return torch.where(visits > 0, total / visits.clamp(min=1), action_values)


@misconception(
    "update_table", name="moves cells that were not visited", hint="What does the batch say about the other cells?"
)
def _(action_values, states, actions, targets, learning_rate):
    total = torch.zeros_like(action_values).index_put_((states, actions), targets, accumulate=True)
    visits = torch.zeros_like(action_values).index_put_((states, actions), torch.ones_like(targets), accumulate=True)
    return action_values + learning_rate * (total / visits.clamp(min=1) - action_values)


# ---- n_step_returns


def walk(rewards, next_values, ends, cuts, discount, n, bootstrap_at_last=True):
    """The right walk, with the flags that a mistake makes of them."""
    returns = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        weight = 1.0
        for k in range(t, min(t + n, len(rewards))):
            returns[t] += weight * rewards[k]
            weight *= discount
            if ends[k]:
                break
            if cuts[k] or k == t + n - 1 or k == len(rewards) - 1:
                returns[t] += weight * next_values[k] * bootstrap_at_last
                break
    return returns


@misconception(
    "n_step_returns",
    name="truncation treated as termination",
    hint="Where we stop watching, the world goes on: what stands for the rest?",
)
def _(rewards, next_values, terminated, truncated, discount, n):
    return walk(rewards, next_values, terminated | truncated, truncated, discount, n)


@misconception("n_step_returns", name="bootstraps past the end", hint=ENDING_HINT)
def _(rewards, next_values, terminated, truncated, discount, n):
    return walk(rewards, next_values, torch.zeros_like(terminated), terminated | truncated, discount, n)


@misconception(
    "n_step_returns",
    name="leaks across the end of an episode",
    hint="The reward after an ending belongs to another episode.",
)
def _(rewards, next_values, terminated, truncated, discount, n):
    none = torch.zeros_like(terminated)
    return walk(rewards, next_values, none, none, discount, n)


@misconception("n_step_returns", name="forgets the value after the n-th reward", hint="What is worth the rest?")
def _(rewards, next_values, terminated, truncated, discount, n):
    return walk(rewards, next_values, terminated, truncated, discount, n, bootstrap_at_last=False)


@misconception(
    "n_step_returns", name="the value is not discounted with its distance", hint="How many steps away is the value?"
)
def _(rewards, next_values, terminated, truncated, discount, n):
    returns = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        weight = 1.0
        for k in range(t, min(t + n, len(rewards))):
            returns[t] += weight * rewards[k]
            weight *= discount
            if terminated[k]:
                break
            if truncated[k] or k == t + n - 1 or k == len(rewards) - 1:
                returns[t] += discount * next_values[k]
                break
    return returns


# ---- learn


def q_learning(environment, discount, num_steps, seed, epsilon=0.2, cut_is_end=False, on_policy=False, myopic=False):
    """Q-learning with one mistake switched on."""
    random = np.random.default_rng(seed)
    table = np.zeros((environment.observation_space.n, environment.action_space.n))

    def choose(state):
        if random.random() < epsilon:
            return int(random.integers(table.shape[1]))
        return int(table[state].argmax())

    state, _ = environment.reset(seed=seed)
    action = choose(state)
    for _ in range(num_steps):
        following, reward, terminated, truncated, _ = environment.step(action)
        next_action = choose(following)
        future = table[following, next_action] if on_policy else table[following].max()
        over = terminated or (truncated and cut_is_end)
        target = reward + (0.0 if over or myopic else discount * future)
        table[state, action] += 0.5 * (target - table[state, action])
        state, action = following, next_action if on_policy else choose(following)
        if terminated or truncated:
            state, _ = environment.reset()
            action = choose(state)
    return table


@misconception(
    "learn",
    name="truncation treated as termination",
    hint="Gymnasium's truncated says that we stopped watching; the game goes on.",
)
def _(environment, discount, num_steps, seed):
    return q_learning(environment, discount, num_steps, seed, cut_is_end=True)


@misconception("learn", name="never explores", hint="Who never tries an action never learns what it is worth.")
def _(environment, discount, num_steps, seed):
    return q_learning(environment, discount, num_steps, seed, epsilon=0.0)


@misconception(
    "learn",
    name="learns the value of the exploring policy",
    hint="Q-learning's target looks at the best next action, not at the one that is taken next.",
)
def _(environment, discount, num_steps, seed):
    return q_learning(environment, discount, num_steps, seed, on_policy=True)


@misconception("learn", name="looks only at the next reward", hint="Where does the future come into your target?")
def _(environment, discount, num_steps, seed):
    return q_learning(environment, discount, num_steps, seed, myopic=True)
