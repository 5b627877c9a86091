"""Wrong answers to *bellman* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception


def lookahead(P, r, discount, values):
    """Q(s, a), right: the mistakes are around it."""
    return r + discount * P @ values


# ---- q_from_v


@misconception("q_from_v", name="forgets the discount", hint="A reward tomorrow is worth less than the same today.")
def _(P, r, discount, values):
    return r + P @ values


@misconception(
    "q_from_v", name="sums over the state that is left", hint="Which axis of P is the state in which the step arrives?"
)
def _(P, r, discount, values):
    return r + discount * torch.einsum("sat,s->ta", P, values)


@misconception("q_from_v", name="discounts the reward as well", hint="The reward of this step is paid now.")
def _(P, r, discount, values):
    return discount * (r + P @ values)


@misconception("q_from_v", name="the value of the state itself", hint="After the action the agent is somewhere else.")
def _(P, r, discount, values):
    return r + discount * values[:, None].expand_as(r)


@misconception("q_from_v", name="leaves the reward out", hint="What does the step itself earn?")
def _(P, r, discount, values):
    return discount * P @ values


# ---- expectation_backup


@misconception(
    "expectation_backup",
    name="the mean over actions, whatever the policy",
    hint="How likely is each action in this state?",
)
def _(P, r, discount, policy, values):
    return lookahead(P, r, discount, values).mean(dim=1)


@misconception(
    "expectation_backup",
    name="the maximum over actions instead of the policy's average",
    hint="This policy may not be greedy.",
)
def _(P, r, discount, policy, values):
    return lookahead(P, r, discount, values).amax(dim=1)


@misconception(
    "expectation_backup", name="forgets the discount", hint="A reward tomorrow is worth less than the same today."
)
def _(P, r, discount, policy, values):
    return (policy * (r + P @ values)).sum(dim=1)


@misconception(
    "expectation_backup",
    name="averages the reward but not the future",
    hint="The policy also decides where the step leads.",
)
def _(P, r, discount, policy, values):
    return (policy * r).sum(dim=1) + discount * (P @ values).mean(dim=1)


@misconception(
    "expectation_backup", name="sums over states instead of actions", hint="What should be left: one number per state."
)
def _(P, r, discount, policy, values):
    return (policy * lookahead(P, r, discount, values)).sum(dim=0)


# ---- optimality_backup


@misconception(
    "optimality_backup",
    name="the mean over actions instead of the maximum",
    hint="The best policy does not act at random.",
)
def _(P, r, discount, values):
    return lookahead(P, r, discount, values).mean(dim=1)


@misconception(
    "optimality_backup", name="forgets the discount", hint="A reward tomorrow is worth less than the same today."
)
def _(P, r, discount, values):
    return (r + P @ values).amax(dim=1)


@misconception(
    "optimality_backup",
    name="the best reward plus the best future, chosen apart",
    hint="One action decides both what is earned and where the step leads.",
)
def _(P, r, discount, values):
    return r.amax(dim=1) + discount * (P @ values).amax(dim=1)


@misconception(
    "optimality_backup",
    name="the best next state instead of the expected one",
    hint="The agent chooses the action, not the outcome.",
)
def _(P, r, discount, values):
    reachable = torch.where(P > 0, values[None, None, :], -torch.inf).amax(dim=2)
    return (r + discount * reachable).amax(dim=1)


@misconception(
    "optimality_backup", name="never worse than before", hint="Values that start too high must be able to fall."
)
def _(P, r, discount, values):
    return torch.maximum(values, lookahead(P, r, discount, values).amax(dim=1))


# ---- evaluate_policy


def chain_of(P, r, policy):
    """Return P_pi and r_pi, right."""
    return torch.einsum("sa,sat->st", policy, P), (policy * r).sum(dim=1)


@misconception("evaluate_policy", name="too few sweeps", hint="How many sweeps would a discount of 0.999 need?")
def _(P, r, discount, policy):
    chain, rewards = chain_of(P, r, policy)
    values = torch.zeros_like(rewards)
    for _ in range(100):
        values = rewards + discount * chain @ values
    return values


@misconception(
    "evaluate_policy",
    name="the transpose of the chain",
    hint="Values look forward from a state; what does a row of P_π hold?",
)
def _(P, r, discount, policy):
    chain, rewards = chain_of(P, r, policy)
    return torch.linalg.solve(torch.eye(len(r), dtype=r.dtype) - discount * chain.T, rewards)


@misconception("evaluate_policy", name="forgets the discount", hint="Tomorrow's values count γ times.")
def _(P, r, discount, policy):
    chain, rewards = chain_of(P, r, policy)
    return torch.linalg.solve(torch.eye(len(r), dtype=r.dtype) - chain, rewards)


@misconception(
    "evaluate_policy", name="uniform actions, whatever the policy", hint="How likely is each action under this policy?"
)
def _(P, r, discount, policy):
    return torch.linalg.solve(torch.eye(len(r), dtype=r.dtype) - discount * P.mean(dim=1), r.mean(dim=1))


@misconception("evaluate_policy", name="the optimal values instead of the policy's", hint="Nothing is maximised here.")
def _(P, r, discount, policy):
    actions = torch.zeros(len(r), dtype=torch.int64)
    states = torch.arange(len(r))
    for _ in range(50):
        system = torch.eye(len(r), dtype=r.dtype) - discount * P[states, actions]
        values = torch.linalg.solve(system, r[states, actions])
        actions = lookahead(P, r, discount, values).argmax(dim=1)
    return values


# ---- advantages


@misconception("advantages", name="states lined up with actions", hint="Which axis of (S, A) belongs to V(s)?")
def _(P, r, discount, values):
    return lookahead(P, r, discount, values) - values


@misconception(
    "advantages",
    name="relative to the best action",
    hint="An advantage compares with the policy's average, so some are positive.",
)
def _(P, r, discount, values):
    action_values = lookahead(P, r, discount, values)
    return action_values - action_values.amax(dim=1, keepdim=True)


@misconception(
    "advantages", name="relative to the mean over actions", hint="The policy need not take all actions equally often."
)
def _(P, r, discount, values):
    action_values = lookahead(P, r, discount, values)
    return action_values - action_values.mean(dim=1, keepdim=True)


@misconception("advantages", name="the sign turned round", hint="A better action has a positive advantage.")
def _(P, r, discount, values):
    return values[:, None] - lookahead(P, r, discount, values)


# ---- greedy_policy


@misconception(
    "greedy_policy", name="the first of the tied actions takes all", hint="Equally good actions get equal probability."
)
def _(action_values, tolerance):
    best = action_values >= action_values.amax(dim=1, keepdim=True) - tolerance
    return torch.nn.functional.one_hot(best.int().argmax(dim=1), action_values.shape[1]).double()


@misconception("greedy_policy", name="ties each with probability one", hint="What do the entries of a row sum to?")
def _(action_values, tolerance):
    return (action_values >= action_values.amax(dim=1, keepdim=True) - tolerance).double()


@misconception(
    "greedy_policy",
    name="ties only when equal to the last digit",
    hint="0.1 + 0.2 is not 0.3 in floating point; what is the tolerance for?",
)
def _(action_values, tolerance):
    best = action_values == action_values.amax(dim=1, keepdim=True)
    return best.double() / best.sum(dim=1, keepdim=True)


@misconception("greedy_policy", name="a softmax", hint="A greedy policy never takes an action that is clearly worse.")
def _(action_values, tolerance):
    return torch.softmax(action_values, dim=1)


@misconception("greedy_policy", name="the best action of the whole table", hint="Every state has its own best action.")
def _(action_values, tolerance):
    best = action_values >= action_values.max() - tolerance
    return best.double() / best.sum().clamp_min(1)


# ---- value_iteration


def iterate(P, r, discount, enough, backup=None):
    """Sweep until ``enough(change)``."""
    values = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(100_000):
        improved = (backup or (lambda v: lookahead(P, r, discount, v).amax(dim=1)))(values)
        change = float((improved - values).abs().max())
        values = improved
        if enough(change):
            break
    return values


@misconception(
    "value_iteration",
    name="stops when the change is below epsilon",
    hint="A small step may be one of many; how far is there still to go?",
)
def _(P, r, discount, epsilon):
    return iterate(P, r, discount, lambda change: change <= epsilon)


@misconception(
    "value_iteration",
    name="a fixed number of sweeps",
    hint="How many sweeps are enough depends on the discount and on epsilon.",
)
def _(P, r, discount, epsilon):
    values = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(10):
        values = lookahead(P, r, discount, values).amax(dim=1)
    return values


@misconception(
    "value_iteration",
    name="the mean over actions instead of the maximum",
    hint="The best policy does not act at random.",
)
def _(P, r, discount, epsilon):
    bound = discount / (1 - discount)
    return iterate(
        P, r, discount, lambda change: bound * change <= epsilon, lambda v: lookahead(P, r, discount, v).mean(dim=1)
    )


@misconception(
    "value_iteration",
    name="multiplies by one minus the discount the wrong way",
    hint="Is the bound larger or smaller than the change?",
)
def _(P, r, discount, epsilon):
    return iterate(P, r, discount, lambda change: (1 - discount) * change <= epsilon)


@misconception(
    "value_iteration", name="stops on the mean change", hint="The promise is for every state, also for the worst one."
)
def _(P, r, discount, epsilon):
    values = torch.zeros(len(r), dtype=r.dtype)
    while True:
        improved = lookahead(P, r, discount, values).amax(dim=1)
        change = float((improved - values).abs().mean())
        values = improved
        if discount / (1 - discount) * change <= epsilon:
            return values


# ---- policy_iteration


def improve(P, r, discount, steps, evaluate):
    """Policy iteration with a given evaluation."""
    states, actions = torch.arange(len(r)), torch.zeros(len(r), dtype=torch.int64)
    values = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(steps):
        values = evaluate(P[states, actions], r[states, actions])
        action_values = lookahead(P, r, discount, values)
        better = action_values.amax(dim=1) > values + 1e-9
        actions = torch.where(better, action_values.argmax(dim=1), actions)
    return torch.nn.functional.one_hot(actions, r.shape[1]).to(r.dtype), values


def solved(discount):
    """Exact evaluation."""
    return lambda chain, rewards: torch.linalg.solve(
        torch.eye(len(rewards), dtype=rewards.dtype) - discount * chain, rewards
    )


@misconception(
    "policy_iteration", name="improves only once", hint="The better policy has other values, and may be improved again."
)
def _(P, r, discount):
    return improve(P, r, discount, 1, solved(discount))


@misconception(
    "policy_iteration", name="greedy for the next reward only", hint="A good reward now can lead to a bad state."
)
def _(P, r, discount):
    policy = torch.nn.functional.one_hot(r.argmax(dim=1), r.shape[1]).to(r.dtype)
    chain, rewards = chain_of(P, r, policy)
    return policy, solved(discount)(chain, rewards)


@misconception(
    "policy_iteration", name="a single sweep instead of an evaluation", hint="What are the values of a policy, exactly?"
)
def _(P, r, discount):
    return improve(P, r, discount, 20, lambda chain, rewards: rewards)


@misconception(
    "policy_iteration",
    name="stops when the policy repeats",
    hint="Equally good actions can take turns for ever; does a change of the policy mean that a value improved?",
)
def _(P, r, discount):
    states, actions = torch.arange(len(r)), torch.zeros(len(r), dtype=torch.int64)
    for _ in range(200):
        values = solved(discount)(P[states, actions], r[states, actions])
        improved = lookahead(P, r, discount, values).argmax(dim=1)
        if torch.equal(improved, actions):
            return torch.nn.functional.one_hot(actions, r.shape[1]).to(r.dtype), values
        actions = improved
    raise RuntimeError("the policy still changes after 200 steps")  # as written by students, it would go on


@misconception(
    "policy_iteration", name="improves towards the worst action", hint="Which action should a state change to?"
)
def _(P, r, discount):
    policy, values = improve(P, -r, discount, 50, solved(discount))
    return policy, -values


@misconception(
    "policy_iteration", name="returns the values and the policy in the wrong order", hint="The policy comes first."
)
def _(P, r, discount):
    policy, values = improve(P, r, discount, 50, solved(discount))
    return values, policy
