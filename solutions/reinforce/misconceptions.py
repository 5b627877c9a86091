"""Wrong answers to *reinforce* that students give, each with its name and a hint that does not give the answer."""

import itertools
import math

import torch

from autograder.checks import misconception
from rlkit.environments import CartPole
from rlkit.reinforce import ReinforceConfig, train

# ---- returns_to_go


def backwards(rewards, discount, last, follows):
    """Go from the last row to the first; ``follows(t, rest)`` says what comes after step t."""
    returns, rest = torch.zeros_like(rewards), last
    for t in reversed(range(len(rewards))):
        rest = returns[t] = rewards[t] + discount * follows(t, rest)
    return returns


@misconception(
    "returns_to_go",
    name="truncation treated as termination",
    hint="Would this episode have earned more if we had gone on watching?",
)
def _(rewards, next_values, terminated, truncated, discount):
    ended = terminated | truncated
    return backwards(rewards, discount, next_values[-1], lambda t, rest: ~ended[t] * rest)


@misconception(
    "returns_to_go",
    name="leaks across the end of an episode",
    hint="To which episode does the row below an ending belong?",
)
def _(rewards, next_values, terminated, truncated, discount):
    return backwards(rewards, discount, next_values[-1], lambda t, rest: rest)


@misconception(
    "returns_to_go",
    name="leaks across a truncation",
    hint="After a truncation the environment was reset, too: whose rewards are in the next row?",
)
def _(rewards, next_values, terminated, truncated, discount):
    return backwards(rewards, discount, next_values[-1], lambda t, rest: ~terminated[t] * rest)


@misconception(
    "returns_to_go",
    name="bootstraps past the end",
    hint="Where the world ended the episode, what is there still to earn?",
)
def _(rewards, next_values, terminated, truncated, discount):
    ended = terminated | truncated
    return backwards(rewards, discount, next_values[-1], lambda t, rest: torch.where(ended[t], next_values[t], rest))


@misconception("returns_to_go", name="forgets the discount", hint="What is a reward two steps ahead worth today?")
def _(rewards, next_values, terminated, truncated, discount):
    follows = lambda t, rest: ~terminated[t] * torch.where(truncated[t], next_values[t], rest)  # noqa: E731
    return backwards(rewards, 1.0, next_values[-1], follows)


@misconception(
    "returns_to_go",
    name="what was earned so far instead of what is to come",
    hint="An action can change only what comes after it.",
)
def _(rewards, next_values, terminated, truncated, discount):
    returns, so_far, factor = torch.zeros_like(rewards), torch.zeros_like(rewards[0]), torch.ones_like(rewards[0])
    for t in range(len(rewards)):
        so_far = returns[t] = so_far + factor * rewards[t]
        ended = terminated[t] | truncated[t]
        so_far, factor = so_far * ~ended, torch.where(ended, 1.0, factor * discount)
    return returns


@misconception(
    "returns_to_go",
    name="the end of the recording taken for the end of the episode",
    hint="In the last row an episode may still be going on.",
)
def _(rewards, next_values, terminated, truncated, discount):
    follows = lambda t, rest: ~terminated[t] * torch.where(truncated[t], next_values[t], rest)  # noqa: E731
    return backwards(rewards, discount, torch.zeros_like(rewards[0]), follows)


@misconception(
    "returns_to_go",
    name="bootstraps after every step",
    hint="Where the next reward was recorded, it need not be estimated.",
)
def _(rewards, next_values, terminated, truncated, discount):
    return rewards + discount * ~terminated * next_values


# ---- categorical_log_probability


def picked(values, actions):
    """The entry of the action, right."""
    return values.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


@misconception(
    "categorical_log_probability", name="the probability, not its logarithm", hint="What is the sign of the result?"
)
def _(logits, actions):
    return picked(logits.softmax(dim=-1), actions)


@misconception(
    "categorical_log_probability",
    name="the logit itself",
    hint="The same number can be added to all logits of a row: does your result stay?",
)
def _(logits, actions):
    return picked(logits, actions)


@misconception(
    "categorical_log_probability",
    name="softmax over the batch instead of the actions",
    hint="Along which axis do the probabilities sum to 1?",
)
def _(logits, actions):
    return picked(logits.log_softmax(dim=0), actions)


@misconception(
    "categorical_log_probability",
    name="the logarithm of a probability that was rounded to 0",
    hint="What does softmax give for logits 1000 apart, and what is its logarithm?",
)
def _(logits, actions):
    return picked(logits.softmax(dim=-1), actions).log()


@misconception(
    "categorical_log_probability",
    name="exponentials that overflow",
    hint="Only differences of logits matter: can they be made smaller before the exponential?",
)
def _(logits, actions):
    return picked(logits, actions) - logits.exp().sum(dim=-1).log()


@misconception(
    "categorical_log_probability",
    name="the likeliest action instead of the one taken",
    hint="The policy drew an action; which one is to be held responsible?",
)
def _(logits, actions):
    return logits.log_softmax(dim=-1).amax(dim=-1)


@misconception(
    "categorical_log_probability",
    name="all actions instead of the one taken",
    hint="How many numbers should be left for each row?",
)
def _(logits, actions):
    return logits.log_softmax(dim=-1)


# ---- gaussian_log_probability

CONSTANT = 0.5 * math.log(2 * math.pi)


@misconception(
    "gaussian_log_probability", name="forgets the normalising constant", hint="What does the density integrate to?"
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - log_standard_deviation).sum(dim=-1)


@misconception(
    "gaussian_log_probability",
    name="the constant once instead of in every dimension",
    hint="The density is a product of D densities; how many constants does it have?",
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - log_standard_deviation).sum(dim=-1) - CONSTANT


@misconception(
    "gaussian_log_probability",
    name="the variance in place of the standard deviation",
    hint="What is squared together with the distance?",
)
def _(mean, log_standard_deviation, actions):
    square = (actions - mean) ** 2 / log_standard_deviation.exp()
    return (-0.5 * square - 0.5 * log_standard_deviation - CONSTANT).sum(dim=-1)


@misconception(
    "gaussian_log_probability",
    name="forgets that a wide density is low",
    hint="Your density has the same height for every standard deviation.",
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - CONSTANT).sum(dim=-1)


@misconception(
    "gaussian_log_probability",
    name="the mean over dimensions instead of the sum",
    hint="What becomes of a product when the logarithm is taken?",
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - log_standard_deviation - CONSTANT).mean(dim=-1)


@misconception(
    "gaussian_log_probability",
    name="the logarithm taken for the standard deviation",
    hint="What the network gives may be negative; can a standard deviation be?",
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation
    return (-0.5 * distance**2 - log_standard_deviation.abs().log() - CONSTANT).sum(dim=-1)


@misconception(
    "gaussian_log_probability", name="the density, not its logarithm", hint="Can your result ever be negative?"
)
def _(mean, log_standard_deviation, actions):
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - log_standard_deviation - CONSTANT).sum(dim=-1).exp()


# ---- policy_gradient_loss


@misconception(
    "policy_gradient_loss",
    name="the sign turned round",
    hint="An optimizer goes downhill: does your loss fall when a good action gets likelier?",
)
def _(log_probabilities, advantages):
    return log_probabilities * advantages.detach()


@misconception(
    "policy_gradient_loss",
    name="gradient through the advantage",
    hint="If a network computed the advantage, which of its parameters would this loss move?",
)
def _(log_probabilities, advantages):
    return -log_probabilities * advantages


@misconception(
    "policy_gradient_loss",
    name="one mean instead of one number per step",
    hint="The caller decides how to average; what is the shape of the result?",
)
def _(log_probabilities, advantages):
    return (-log_probabilities * advantages.detach()).mean()


@misconception(
    "policy_gradient_loss",
    name="the probability in place of its logarithm",
    hint="The inputs are logarithms already; the estimator has the gradient of a logarithm in it.",
)
def _(log_probabilities, advantages):
    return -log_probabilities.exp() * advantages.detach()


@misconception(
    "policy_gradient_loss",
    name="normalises the advantages",
    hint="The loss of one step should not depend on the other steps.",
)
def _(log_probabilities, advantages):
    centred = advantages.detach() - advantages.detach().mean()
    return -log_probabilities * centred / (centred.square().mean().sqrt() + 1e-8)


@misconception(
    "policy_gradient_loss",
    name="cuts the gradient of the policy",
    hint="Which of the two factors is to be changed by training?",
)
def _(log_probabilities, advantages):
    return -log_probabilities.detach() * advantages


# ---- leave_one_out_baseline


@misconception(
    "leave_one_out_baseline",
    name="the mean of all episodes, with itself",
    hint="May the baseline of an episode depend on what was done in it?",
)
def _(returns):
    return returns.mean(dim=0, keepdim=True).expand_as(returns)


@misconception(
    "leave_one_out_baseline", name="divides by N instead of N − 1", hint="How many others does an episode have?"
)
def _(returns):
    return (returns.sum(dim=0) - returns) / len(returns)


@misconception(
    "leave_one_out_baseline",
    name="the advantage instead of the baseline",
    hint="The caller subtracts; asked for is what is subtracted.",
)
def _(returns):
    return returns - (returns.sum(dim=0) - returns) / (len(returns) - 1)


@misconception(
    "leave_one_out_baseline",
    name="one number for all steps of an episode",
    hint="A return-to-go late in an episode is not comparable with one from its beginning.",
)
def _(returns):
    per_episode = returns.reshape(len(returns), -1).mean(dim=1)
    baseline = (per_episode.sum() - per_episode) / (len(returns) - 1)
    return baseline.reshape(-1, *[1] * (returns.ndim - 1)).expand_as(returns)


@misconception(
    "leave_one_out_baseline",
    name="leaves out a step instead of an episode",
    hint="Which axis holds the episodes?",
)
def _(returns):
    return (returns.sum(dim=-1, keepdim=True) - returns) / (returns.shape[-1] - 1)


# ---- exact_gradient


def enumerated(first, P, r, logits, discount, horizon, weight, score=None, chance=None):
    """Sum over all trajectories; ``weight(rewards, t)`` multiplies the score of step t."""
    policy = logits.softmax(dim=1)
    pairs = list(itertools.product(range(r.shape[0]), range(r.shape[1])))
    gradient = torch.zeros_like(logits)
    for trajectory in itertools.product(pairs, repeat=horizon):
        dynamics, actions = first[trajectory[0][0]], 1.0
        for t, (s, a) in enumerate(trajectory):
            actions = actions * policy[s, a]
            if t:
                dynamics = dynamics * P[(*trajectory[t - 1], s)]
        probability = chance(dynamics, actions) if chance else dynamics * actions
        rewards = [r[pair] for pair in trajectory]
        for t, (s, a) in enumerate(trajectory):
            amount = probability * weight(rewards, t)
            gradient[s, a] += amount
            if score is None:
                gradient[s] -= amount * policy[s]
    return gradient


def to_go(discount):
    """The right weight: gamma^t times the return-to-go."""
    return lambda rewards, t: sum(discount**k * rewards[k] for k in range(t, len(rewards)))


@misconception(
    "exact_gradient",
    name="γᵗ dropped",
    hint="J counts rewards as seen from the first step; how much does the return from step t count in it?",
)
def _(first, P, r, logits, discount, horizon):
    weight = lambda rewards, t: sum(discount ** (k - t) * rewards[k] for k in range(t, horizon))  # noqa: E731
    return enumerated(first, P, r, logits, discount, horizon, weight)


@misconception(
    "exact_gradient", name="forgets the discount", hint="Is a reward in the last step worth its full amount?"
)
def _(first, P, r, logits, discount, horizon):
    return enumerated(first, P, r, logits, discount, horizon, to_go(1.0))


@misconception(
    "exact_gradient",
    name="only the reward of the same step",
    hint="An action also decides where the later steps are taken.",
)
def _(first, P, r, logits, discount, horizon):
    return enumerated(first, P, r, logits, discount, horizon, lambda rewards, t: discount**t * rewards[t])


@misconception(
    "exact_gradient",
    name="only the logit of the action taken",
    hint="The probabilities of a row sum to 1: when one rises, what do the others do?",
)
def _(first, P, r, logits, discount, horizon):
    return enumerated(first, P, r, logits, discount, horizon, to_go(discount), score="taken")


@misconception(
    "exact_gradient",
    name="trajectories weighted by the actions only",
    hint="Who decides on the next state, and with what probability?",
)
def _(first, P, r, logits, discount, horizon):
    chance = lambda dynamics, actions: actions  # noqa: E731
    return enumerated(first, P, r, logits, discount, horizon, to_go(discount), chance=chance)


@misconception(
    "exact_gradient",
    name="trajectories weighted by the dynamics only",
    hint="An unlikely action leads to an unlikely trajectory.",
)
def _(first, P, r, logits, discount, horizon):
    chance = lambda dynamics, actions: dynamics  # noqa: E731
    return enumerated(first, P, r, logits, discount, horizon, to_go(discount), chance=chance)


# ---- variance_comparison


def summed_up(gradients, total, correction=True):
    """Total variance and the ratio that follows from it."""
    signal = gradients.mean(dim=1).square().sum(dim=1)
    if correction:
        signal = signal - total / gradients.shape[1]
    return total, torch.where(signal > 0, total / signal, torch.inf)


@misconception(
    "variance_comparison", name="divides by K instead of K − 1", hint="The mean was estimated from the same numbers."
)
def _(gradients):
    return summed_up(gradients, gradients.var(dim=1, correction=0).sum(dim=1))


@misconception(
    "variance_comparison",
    name="the noise of the mean counted as signal",
    hint="With pure noise, how long is the mean of K estimates?",
)
def _(gradients):
    return summed_up(gradients, gradients.var(dim=1).sum(dim=1), correction=False)


@misconception(
    "variance_comparison",
    name="the mean over the parameters instead of the sum",
    hint="The total is the expected squared distance of an estimate from the mean.",
)
def _(gradients):
    return summed_up(gradients, gradients.var(dim=1).mean(dim=1))


@misconception(
    "variance_comparison",
    name="the standard deviation instead of the variance",
    hint="Squared lengths are compared with squared lengths.",
)
def _(gradients):
    return summed_up(gradients, gradients.std(dim=1).sum(dim=1))


@misconception(
    "variance_comparison",
    name="the spread between parameters instead of between estimates",
    hint="Which axis is repeated when the experiment is?",
)
def _(gradients):
    return summed_up(gradients, gradients.var(dim=2).sum(dim=1))


@misconception(
    "variance_comparison",
    name="the mean square instead of the variance",
    hint="Estimates that all agree have no noise, however large they are.",
)
def _(gradients):
    return summed_up(gradients, gradients.square().mean(dim=1).sum(dim=1))


# ---- train_policy


def trained(seed, num_iterations, **functions):
    """Train, right but for what is given."""
    environment = CartPole((1, 16), seed=seed, step_limit=200, device="cpu")
    return train(environment, ReinforceConfig(num_iterations=num_iterations, seed=seed), **functions).policy.export(0)


@misconception(
    "train_policy",
    name="trains uphill on the loss",
    hint="The pole falls sooner than without training: what does your loss do when a good action gets likelier?",
)
def _(seed, num_iterations):
    return trained(seed, num_iterations, loss=lambda log_probabilities, advantages: log_probabilities * advantages)


@misconception(
    "train_policy",
    name="rewards instead of returns",
    hint="Every step that is reached earns 1, whatever is done in it; what does a bad push cost, and when?",
)
def _(seed, num_iterations):
    return trained(seed, num_iterations, returns=lambda rewards, *_: rewards)


@misconception(
    "train_policy",
    name="the same seed whatever is asked",
    hint="The check calls your function with several seeds; where does the argument go?",
)
def _(seed, num_iterations):
    return trained(0, num_iterations)


@misconception(
    "train_policy",
    name="a single iteration, whatever is asked",
    hint="How often is the network changed before you return it?",
)
def _(seed, num_iterations):
    return trained(seed, 1)


@misconception(
    "train_policy",
    name="weights stored as (outputs, inputs)",
    hint="The input is a row that is multiplied from the left: how many rows has W1?",
)
def _(seed, num_iterations):
    return [part.T if part.ndim == 2 else part for part in trained(seed, num_iterations)]
