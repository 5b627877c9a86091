"""Wrong answers to *warm_up* that students give, each with its name and a hint that does not give the answer."""

import torch

from autograder.checks import misconception

# ---- run_episode


def episode(environment, actions, seed, ends=lambda terminated, truncated: terminated or truncated):
    """Run an episode with a rule for its end."""
    environment.reset(seed=seed)
    rewards, terminated, truncated = [], False, False
    for action in actions:
        _, reward, terminated, truncated, _ = environment.step(action)
        rewards.append(reward)
        if ends(terminated, truncated):
            break
    return rewards, terminated, truncated


@misconception("run_episode", name="ignores truncated", hint="A limit also ends the episode: the other flag says so.")
def _(environment, actions, seed):
    return episode(environment, actions, seed, lambda terminated, truncated: terminated)


@misconception("run_episode", name="ignores terminated", hint="The world also ends episodes: the other flag says so.")
def _(environment, actions, seed):
    return episode(environment, actions, seed, lambda terminated, truncated: truncated)


@misconception("run_episode", name="drops the last reward", hint="The step that ends the episode earns a reward, too.")
def _(environment, actions, seed):
    environment.reset(seed=seed)
    rewards, terminated, truncated = [], False, False
    for action in actions:
        _, reward, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            break
        rewards.append(reward)
    return rewards, terminated, truncated


@misconception("run_episode", name="terminated and truncated exchanged", hint="Which of the two flags comes first?")
def _(environment, actions, seed):
    rewards, terminated, truncated = episode(environment, actions, seed)
    return rewards, truncated, terminated


@misconception(
    "run_episode", name="one flag for both endings", hint="Was it the world that ended the episode, or the limit?"
)
def _(environment, actions, seed):
    rewards, terminated, truncated = episode(environment, actions, seed)
    return rewards, terminated or truncated, terminated or truncated


@misconception(
    "run_episode", name="forgets the seed", hint="The same seed must give the same episode: who gets the seed?"
)
def _(environment, actions, seed):
    return episode(environment, actions, 987_654_321 + seed)  # any other seed than the one asked for


@misconception("run_episode", name="the four values of the old interface", hint="How many values does step return?")
def _(environment, actions, seed):
    environment.reset(seed=seed)
    rewards, done = [], False
    for action in actions:
        _, reward, done, _ = environment.step(action)
        rewards.append(reward)
        if done:
            break
    return rewards, done, False


# ---- discounted_return


@misconception("discounted_return", name="forgets the discount", hint="A reward at time t counts γᵗ.")
def _(rewards, discount):
    return rewards.sum()


@misconception(
    "discounted_return", name="the first reward is discounted as well", hint="At time 0 the discount is γ⁰ = 1."
)
def _(rewards, discount):
    return (discount ** torch.arange(1, len(rewards) + 1) * rewards).sum()


@misconception(
    "discounted_return", name="discounted from the wrong end", hint="Which reward is the furthest in the future?"
)
def _(rewards, discount):
    return (discount ** torch.arange(len(rewards)).flip(0) * rewards).sum()


@misconception("discounted_return", name="every later reward discounted once only", hint="Two steps away counts γ².")
def _(rewards, discount):
    return rewards[0] + discount * rewards[1:].sum()


@misconception("discounted_return", name="a mean instead of a sum", hint="Is a longer row of ones worth more?")
def _(rewards, discount):
    return (discount ** torch.arange(len(rewards)) * rewards).mean()


# ---- returns_to_go


def returns(rewards, discount):
    """Right."""
    values, following = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        following = rewards[t] + discount * following
        values[t] = following
    return values


@misconception(
    "returns_to_go", name="the rewards so far instead of those to come", hint="G_t looks forward from step t."
)
def _(rewards, discount):
    return returns(rewards.flip(0), discount).flip(0)


@misconception("returns_to_go", name="forgets the discount", hint="G_t = r_t + γ G_{t+1}.")
def _(rewards, discount):
    return returns(rewards, 1.0)


@misconception(
    "returns_to_go", name="discounted from the start of the episode", hint="At step t itself the discount is 1."
)
def _(rewards, discount):
    return returns(discount ** torch.arange(len(rewards)) * rewards, 1.0)


@misconception("returns_to_go", name="without the reward of the step itself", hint="Which reward follows action a_t?")
def _(rewards, discount):
    return returns(rewards, discount) - rewards


@misconception("returns_to_go", name="the result back to front", hint="The return of the first step comes first.")
def _(rewards, discount):
    return returns(rewards, discount).flip(0)


@misconception("returns_to_go", name="only the next reward added", hint="G_{t+1} is a return, not a reward.")
def _(rewards, discount):
    following = torch.cat([rewards[1:], torch.zeros_like(rewards[:1])])
    return rewards + discount * following


# ---- action_probabilities


def greedy(action_values):
    """Return the greedy part, right."""
    best = action_values == action_values.amax(dim=-1, keepdim=True)
    return best.to(action_values.dtype) / best.sum(dim=-1, keepdim=True)


@misconception(
    "action_probabilities", name="exploring never draws the best action", hint="Exploring draws from all actions."
)
def _(action_values, epsilon):
    best, count = greedy(action_values), action_values.shape[-1]
    return (1 - epsilon) * best + epsilon * (best == 0) / max(count - 1, 1)


@misconception("action_probabilities", name="epsilon for every other action", hint="What does the row sum to?")
def _(action_values, epsilon):
    return torch.where(greedy(action_values) > 0, 1 - epsilon, epsilon)


@misconception(
    "action_probabilities",
    name="epsilon and one minus epsilon exchanged",
    hint="Epsilon is the probability of exploring.",
)
def _(action_values, epsilon):
    return epsilon * greedy(action_values) + (1 - epsilon) / action_values.shape[-1]


@misconception(
    "action_probabilities",
    name="the first of the tied actions takes all",
    hint="Equally good actions are equally likely.",
)
def _(action_values, epsilon):
    count = action_values.shape[-1]
    one = torch.nn.functional.one_hot(action_values.argmax(dim=-1), count)
    return (1 - epsilon) * one + epsilon / count


@misconception(
    "action_probabilities", name="the best action of the whole table", hint="Each row is a choice of its own."
)
def _(action_values, epsilon):
    best = (action_values == action_values.max()).to(action_values.dtype)
    return (1 - epsilon) * best / best.sum() + epsilon / action_values.shape[-1]


@misconception("action_probabilities", name="a softmax", hint="All actions but the best are equally likely.")
def _(action_values, epsilon):
    return (1 - epsilon) * torch.softmax(action_values, dim=-1) + epsilon / action_values.shape[-1]


# ---- update_mean


@misconception("update_mean", name="divides by the old count", hint="How many rewards are there with the new one?")
def _(mean, count, reward):
    return mean + (reward - mean) / max(count, 1)


@misconception("update_mean", name="one too many in the count", hint="The first reward must replace the mean.")
def _(mean, count, reward):
    return mean + (reward - mean) / (count + 2)


@misconception(
    "update_mean", name="the mean of the old mean and the new reward", hint="The old mean stands for several rewards."
)
def _(mean, count, reward):
    return (mean + reward) / 2


@misconception(
    "update_mean",
    name="adds without taking the old mean off",
    hint="If the reward equals the mean, what should change?",
)
def _(mean, count, reward):
    return mean + reward / (count + 1)


@misconception(
    "update_mean", name="the sign of the error turned round", hint="Should the mean move towards the reward?"
)
def _(mean, count, reward):
    return mean - (reward - mean) / (count + 1)


# ---- fraction_of_best


@misconception(
    "fraction_of_best",
    name="the mean over seeds",
    hint="How many numbers should come out: one per seed or one per step?",
)
def _(choices, means):
    return (choices == means.argmax()).double().mean(dim=0)


@misconception("fraction_of_best", name="the worst arm", hint="Which arm has the largest mean?")
def _(choices, means):
    return (choices == means.argmin()).double().mean(dim=1)


@misconception("fraction_of_best", name="one number for all seeds", hint="Every seed has its own fraction.")
def _(choices, means):
    return (choices == means.argmax()).double().mean()


@misconception("fraction_of_best", name="a count instead of a fraction", hint="Of how many steps?")
def _(choices, means):
    return (choices == means.argmax()).double().sum(dim=1)


@misconception(
    "fraction_of_best", name="the function as it was handed out", hint="Run the check, and compare expected with got."
)
def _(choices, means):
    return (choices == means.argmin()).double().mean(dim=0)
