"""Wrong answers to *ppo* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

# ---- generalized_advantage_estimate


def estimate(rewards, values, next_values, ends, cuts, discount, gae_lambda, shift=False, decay=None):
    """The right recursion, with what a mistake makes of its parts."""
    errors = rewards + discount * ~ends * next_values - values
    weight = discount * gae_lambda if decay is None else decay
    advantages, following = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        # A shifted cut looks at the next row's flag, which belongs to the next step.
        cut = cuts[t + 1] if shift and t + 1 < len(cuts) else cuts[t]
        following = errors[t] + weight * ~cut * following
        advantages[t] = following
    return advantages


@misconception(
    "generalized_advantage_estimate",
    name="truncation treated as termination",
    hint="A truncated episode would have gone on: the value of its final observation still counts.",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    ended = terminated | truncated
    return estimate(rewards, values, next_values, ended, ended, discount, gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="leaks across a truncation",
    hint="The row after a truncated step belongs to another episode.",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    return estimate(rewards, values, next_values, terminated, terminated, discount, gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="leaks across the end of an episode",
    hint="The row after an ending belongs to another episode.",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    return estimate(rewards, values, next_values, terminated, torch.zeros_like(terminated), discount, gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="bootstraps past the end",
    hint="Where the episode has terminated there is no next state, so nothing is added to the reward.",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    none = torch.zeros_like(terminated)
    return estimate(rewards, values, next_values, none, terminated | truncated, discount, gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="the flags of the next step",
    hint="Which row says how step t ended its episode?",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    ended = terminated | truncated
    return estimate(rewards, values, next_values, terminated, ended, discount, gae_lambda, shift=True)


@misconception(
    "generalized_advantage_estimate",
    name="forgets the discount in the sum",
    hint="The advantage that follows is one step away: which two numbers weigh it?",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    ended = terminated | truncated
    return estimate(rewards, values, next_values, terminated, ended, discount, gae_lambda, decay=gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="the value of the next row instead of the final observation",
    hint="After a reset the next row's value belongs to a new episode.",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    shifted = torch.cat([values[1:], next_values[-1:]])
    return estimate(rewards, values, shifted, terminated, terminated | truncated, discount, gae_lambda)


@misconception(
    "generalized_advantage_estimate",
    name="the lambda-return instead of the advantage",
    hint="How much better than the value of the state?",
)
def _(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    ended = terminated | truncated
    return values + estimate(rewards, values, next_values, terminated, ended, discount, gae_lambda)


# ---- clipped_surrogate


@misconception(
    "clipped_surrogate",
    name="clips without the minimum",
    hint="What pulls back a bad action that has become likelier?",
)
def _(new, old, advantages, clip_range):
    return (new - old).exp().clamp(1 - clip_range, 1 + clip_range) * advantages


@misconception(
    "clipped_surrogate",
    name="the minimum of the ratios instead of the products",
    hint="A negative advantage turns the order of the two products around.",
)
def _(new, old, advantages, clip_range):
    ratio = (new - old).exp()
    return torch.minimum(ratio, ratio.clamp(1 - clip_range, 1 + clip_range)) * advantages


@misconception("clipped_surrogate", name="the maximum instead of the minimum", hint="Is the bound pessimistic?")
def _(new, old, advantages, clip_range):
    ratio = (new - old).exp()
    return torch.maximum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)


@misconception("clipped_surrogate", name="does not clip", hint="What does the clip range change?")
def _(new, old, advantages, clip_range):
    return (new - old).exp() * advantages


@misconception("clipped_surrogate", name="the ratio upside down", hint="Which policy stands above in the ratio?")
def _(new, old, advantages, clip_range):
    ratio = (old - new).exp()
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)


@misconception(
    "clipped_surrogate",
    name="a quotient of log-probabilities",
    hint="The ratio of two probabilities, from their logarithms: a difference, and then?",
)
def _(new, old, advantages, clip_range):
    ratio = new / (old - 1e-12)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)


@misconception("clipped_surrogate", name="a loss instead of an objective", hint="Is the result to grow or to shrink?")
def _(new, old, advantages, clip_range):
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)


# ---- ppo_loss


@misconception("ppo_loss", name="the objective enters with a plus", hint="The optimiser makes the loss small.")
def _(surrogate, prediction, target, entropy, c1, c2):
    return surrogate + c1 * (prediction - target.detach()) ** 2 - c2 * entropy


@misconception(
    "ppo_loss", name="entropy is punished instead of rewarded", hint="Should the policy be more or less random?"
)
def _(surrogate, prediction, target, entropy, c1, c2):
    return -surrogate + c1 * (prediction - target.detach()) ** 2 + c2 * entropy


@misconception(
    "ppo_loss", name="the critic's error enters with a minus", hint="Should the critic's error grow or shrink?"
)
def _(surrogate, prediction, target, entropy, c1, c2):
    return -surrogate - c1 * (prediction - target.detach()) ** 2 - c2 * entropy


@misconception(
    "ppo_loss",
    name="a gradient flows into the target",
    hint="The target is what the critic should say; it is not moved towards the critic.",
)
def _(surrogate, prediction, target, entropy, c1, c2):
    return -surrogate + c1 * (prediction - target) ** 2 - c2 * entropy


@misconception("ppo_loss", name="the coefficients swapped", hint="Which coefficient belongs to which term?")
def _(surrogate, prediction, target, entropy, c1, c2):
    return -surrogate + c2 * (prediction - target.detach()) ** 2 - c1 * entropy


@misconception("ppo_loss", name="a mean over the batch", hint="One value per element is asked for; who reduces it?")
def _(surrogate, prediction, target, entropy, c1, c2):
    return (-surrogate + c1 * (prediction - target.detach()) ** 2 - c2 * entropy).mean()


# ---- policy_change


def share(ratio, clip_range):
    """Share of ratios outside the range."""
    return ((ratio - 1).abs() > clip_range).double().mean()


@misconception(
    "policy_change",
    name="the mean of minus log ratio",
    hint="It is right on average, but can be negative. Which term is missing?",
)
def _(new, old, clip_range):
    return (old - new).mean(), share((new - old).exp(), clip_range)


@misconception("policy_change", name="the ratio upside down", hint="Which policy stands above in the ratio?")
def _(new, old, clip_range):
    ratio = (old - new).exp()
    return (ratio - 1 - ratio.log()).mean(), share(ratio, clip_range)


@misconception(
    "policy_change", name="counts only ratios above the range", hint="An action can also have become too rare."
)
def _(new, old, clip_range):
    ratio = (new - old).exp()
    return (ratio - 1 - ratio.log()).mean(), (ratio > 1 + clip_range).double().mean()


@misconception("policy_change", name="a sum instead of a mean", hint="Should the number depend on the batch size?")
def _(new, old, clip_range):
    ratio = (new - old).exp()
    return (ratio - 1 - ratio.log()).sum(), share(ratio, clip_range)


# ---- explained_variance


def variance(numbers):
    """Mean squared distance from the mean."""
    return ((numbers - numbers.mean()) ** 2).mean()


NOT_DEFINED = float("nan")


@misconception(
    "explained_variance",
    name="the mean squared error instead of the variance of the error",
    hint="A constant error does not count.",
)
def _(values, returns):
    if variance(returns) == 0:
        return NOT_DEFINED
    return 1 - ((returns - values) ** 2).mean() / variance(returns)


@misconception(
    "explained_variance", name="divides by the variance of the values", hint="Whose variance is to be explained?"
)
def _(values, returns):
    if variance(returns) == 0:
        return NOT_DEFINED
    return 1 - variance(returns - values) / (variance(values) + 1e-12)


@misconception("explained_variance", name="the unexplained share", hint="A perfect critic has 1.")
def _(values, returns):
    if variance(returns) == 0:
        return NOT_DEFINED
    return variance(returns - values) / variance(returns)


@misconception("explained_variance", name="the squared correlation", hint="A critic with the wrong scale does harm.")
def _(values, returns):
    if variance(returns) == 0:
        return NOT_DEFINED
    v, g = values - values.mean(), returns - returns.mean()
    return (v * g).mean() ** 2 / (variance(v) * variance(g) + 1e-30)


@misconception(
    "explained_variance",
    name="no answer for returns that do not vary",
    hint="What is the quotient if the returns are equal?",
)
def _(values, returns):
    return 1 - variance(returns - values) / (variance(returns) + 1e-8)


# ---- train_cartpole


def trained(seed, num_iterations, **formulas):
    """As asked for, with one mistake; no longer than it takes to show that it does not work."""
    from rlkit.environments import CartPole
    from rlkit.ppo import PPOConfig, train

    config = PPOConfig(seed=seed, num_iterations=min(num_iterations, 12))
    return train(CartPole((1, 32), seed=seed), config, **formulas)


@misconception(
    "train_cartpole", name="returns a network that was not trained", hint="Which object holds what was learned?"
)
def _(seed, num_iterations):
    from rlkit.policies import CategoricalPolicy

    return CategoricalPolicy(1, [4, 32, 32, 2], torch.Generator().manual_seed(seed)).export(0)


@misconception("train_cartpole", name="returns the critic", hint="Which of the two networks chooses actions?")
def _(seed, num_iterations):
    return trained(seed, num_iterations).critic.export(0)


@misconception(
    "train_cartpole", name="reports the score instead of the network", hint="The check plays; it needs the network."
)
def _(seed, num_iterations):
    return float(trained(seed, num_iterations).history["episodes"][-1].sum())


@misconception(
    "train_cartpole",
    name="makes the objective small",
    hint="Does the return rise during your training? Look at the sign of your loss.",
)
def _(seed, num_iterations):
    def upside_down(new, old, advantages, clip_range):
        ratio = (new - old).exp()
        return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)

    return trained(seed, num_iterations, surrogate=upside_down).policy.export(0)


@misconception("train_cartpole", name="stops after a few iterations", hint="Who decides how long the training lasts?")
def _(seed, num_iterations):
    return trained(seed, 1).policy.export(0)


@misconception(
    "train_cartpole",
    name="a controller written by hand",
    hint="It balances, but it did not learn: the network was to come from training with your functions.",
)
def _(seed, num_iterations):
    lean = torch.tensor([[0.1], [0.3], [1.0], [0.5]], dtype=torch.float64)
    none = torch.zeros(2, dtype=torch.float64)
    difference = torch.tensor([[-1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    return [torch.cat([lean, -lean], dim=1), none, torch.eye(2, dtype=torch.float64), none, difference, none]
