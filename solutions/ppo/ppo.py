# %% [markdown]
# # Proximal policy optimisation
#
# This assignment goes with the chapter *PPO*. You write its formulas, each tested on its own, and then train a pole
# balancer with them. What you hand in is judged by the networks that your training returns: the checks let them balance.
#
# Six exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 9 come from checks that run after you hand in, on other inputs. An
# advantage estimate that mistakes a step limit for an ending is told:
#
# ```
# generalized_advantage_estimate
#   failed   a step limit in the middle                                      0 / 1
#            expected [-1.0, 0.0, -1.0], got [-1.75, -3.0, -1.0]
#            Your answer behaves like: truncation treated as termination.
#            A truncated episode would have gone on: the value of its final observation still counts.
# ```
#
# **Shapes.** T steps, time first; B elements of a batch:
#
# | name | shape | meaning |
# |---|---|---|
# | `rewards`, `values` | (T, ...) | $r_t$ and $V(s_t)$ |
# | `next_values` | (T, ...) | $V$ of the *final* observation of step t, never of the one after a reset |
# | `terminated`, `truncated` | (T, ...) bool | how, if at all, step t ended its episode |
# | `log_probabilities`, `old_log_probabilities` | (B,) | under the policy that is trained, and under the one that acted |
# | `advantages` | (B,) | $\hat A$ |
#
# "..." stands for any further axes, such as (environments) or (seeds, environments). All tensors are float64 unless
# said otherwise.

# %% locked=true
from autograder import exam

check = exam("ppo")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 Generalized advantage estimation · 6 points · difficulty 4 · about 40 minutes
#
# With the TD error $\delta_t = r_t + \gamma (1 - d_t) V(s_{t+1}) - V(s_t)$, where $d_t$ is true at a termination,
#
# $$\hat A_t = \delta_t + \gamma\lambda\,(1 - e_t)\,\hat A_{t+1}$$
#
# where $e_t$ is true if step t ended its episode in *either* way. Two rules are in there. The sum is cut at both kinds
# of ending, because the next row belongs to another episode. The value of the final observation is left out only at a
# termination.
#
# By hand: rewards $(1, 1, 1)$, all values 4, $\gamma = 0.5$ and $\lambda = 0.5$. Every TD error is $1 + 2 - 4 = -1$, and
# without any ending $\hat A = (-1.3125, -1.25, -1)$. If step 1 terminated, its TD error is $1 - 4 = -3$, and
# $\hat A = (-1 + 0.25 \cdot (-3),\; -3,\; -1)$, that is $(-1.75, -3, -1)$. If it was truncated in a state of value 6, its TD error is
# $1 + 3 - 4 = 0$, and $\hat A = (-1, 0, -1)$.
#
# <details><summary>Hint 1</summary>First all TD errors at once, then a loop from the last step to the first.</details>
# <details><summary>Hint 2</summary>The last row has no advantage after it: start the loop with zero.</details>
# <details><summary>Hint 3</summary>One flag multiplies the next value, the other one (both together) multiplies the
# advantage that follows.</details>


# %% answer="generalized_advantage_estimate"
def generalized_advantage_estimate(rewards, values, next_values, terminated, truncated, discount, gae_lambda):
    """Advantages, shape (T, ...)."""
    ### BEGIN SOLUTION
    errors = rewards + discount * ~terminated * next_values - values
    goes_on = ~(terminated | truncated)
    advantages = torch.zeros_like(errors)
    following = torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        following = errors[t] + discount * gae_lambda * goes_on[t] * following
        advantages[t] = following
    return advantages
    ### END SOLUTION


# %% check="generalized_advantage_estimate" points=4
check("generalized_advantage_estimate", generalized_advantage_estimate)

# %% check="generalized_advantage_estimate" points=2 hidden=true
check("generalized_advantage_estimate", generalized_advantage_estimate, hidden=True)

# %% [markdown]
# ### 2 The clipped surrogate · 4 points · difficulty 3 · about 20 minutes
#
# With $w = \pi_\theta(a \mid s) / \pi_\text{old}(a \mid s)$ the objective of one step, to be *maximised*, is
#
# $$L = \min\big( w \hat A,\; \mathrm{clip}(w, 1 - \varepsilon_{\text{clip}}, 1 + \varepsilon_{\text{clip}})\, \hat A \big)$$
#
# By hand, with $\varepsilon_{\text{clip}} = 0.2$: $w = 1.5$ and $\hat A = 2$ give $\min(3, 2.4) = 2.4$, and $w = 1.5$ with
# $\hat A = -2$ gives $\min(-3, -2.4) = -3$. In the first case the gradient is zero, in the second it is not.
#
# <details><summary>Hint 1</summary>The ratio of probabilities is the exponential of a difference.</details>
# <details><summary>Hint 2</summary>The minimum is taken of two products, not of two ratios: the sign of the advantage matters.</details>
# <details><summary>Hint 3</summary>`torch.minimum` and `clamp`; no mean, one value per element.</details>


# %% answer="clipped_surrogate"
def clipped_surrogate(log_probabilities, old_log_probabilities, advantages, clip_range):
    """The objective of each element, shape (B,)."""
    ### BEGIN SOLUTION
    ratio = (log_probabilities - old_log_probabilities).exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return torch.minimum(ratio * advantages, clipped * advantages)
    ### END SOLUTION


# %% check="clipped_surrogate" points=3
check("clipped_surrogate", clipped_surrogate)

# %% check="clipped_surrogate" points=1 hidden=true
check("clipped_surrogate", clipped_surrogate, hidden=True)

# %% [markdown]
# ### 3 The full loss · 3 points · difficulty 2 · about 15 minutes
#
# One loss, to be *minimised*, for policy, critic and entropy:
#
# $$\ell = -L + c_1 \,(V(s) - \hat G)^2 - c_2 \, H$$
#
# The target $\hat G$ is a constant: no gradient flows into it. Return one value per element.
#
# By hand: $L = 2$, $V = 1$, $\hat G = 4$, $H = 0.5$, $c_1 = 0.5$, $c_2 = 0.1$ give $-2 + 4.5 - 0.05 = 2.45$.
#
# <details><summary>Hint 1</summary>What is to grow gets a minus sign.</details>
# <details><summary>Hint 2</summary>Which of the three terms are to grow?</details>
# <details><summary>Hint 3</summary>`detach` makes a constant of a tensor.</details>


# %% answer="ppo_loss"
def ppo_loss(surrogate, value_prediction, value_target, entropy, value_coefficient, entropy_coefficient):
    """The loss of each element, shape (B,)."""
    ### BEGIN SOLUTION
    value_loss = (value_prediction - value_target.detach()) ** 2
    return -surrogate + value_coefficient * value_loss - entropy_coefficient * entropy
    ### END SOLUTION


# %% check="ppo_loss" points=2
check("ppo_loss", ppo_loss)

# %% check="ppo_loss" points=1 hidden=true
check("ppo_loss", ppo_loss, hidden=True)

# %% [markdown]
# ### 4 How far has the policy moved? · 3 points · difficulty 3 · about 20 minutes
#
# Two numbers are watched during training. From actions of the old policy, the divergence is estimated by the mean of
# $(w - 1) - \log w$, which is never negative; and the clip fraction is the share of ratios outside
# $[1 - \varepsilon_{\text{clip}}, 1 + \varepsilon_{\text{clip}}]$.
#
# By hand: ratios $1$ and $2$ give $0$ and $1 - 0.6931 = 0.3069$, mean $0.1534$; with $\varepsilon_{\text{clip}} = 0.2$ the clip fraction is $0.5$.
#
# <details><summary>Hint 1</summary>log of the ratio is the difference of the log-probabilities.</details>
# <details><summary>Hint 2</summary>Which of the two policies stands above in the ratio? The new one.</details>
# <details><summary>Hint 3</summary>Mean of the comparison, as numbers.</details>


# %% answer="policy_change"
def policy_change(log_probabilities, old_log_probabilities, clip_range):
    """(approximate KL divergence, clip fraction), two numbers."""
    ### BEGIN SOLUTION
    log_ratio = log_probabilities - old_log_probabilities
    ratio = log_ratio.exp()
    divergence = (ratio - 1 - log_ratio).mean()
    outside = (ratio < 1 - clip_range) | (ratio > 1 + clip_range)
    return divergence, outside.to(ratio.dtype).mean()
    ### END SOLUTION


# %% check="policy_change" points=2
check("policy_change", policy_change)

# %% check="policy_change" points=1 hidden=true
check("policy_change", policy_change, hidden=True)

# %% [markdown]
# ### 5 Is the critic any good? · 3 points · difficulty 2 · about 15 minutes
#
# Return how much of the variance of the returns $G$ the values $V$ explain:
#
# $$\text{explained variance} = 1 - \frac{\mathrm{Var}(G - V)}{\mathrm{Var}(G)}$$
#
# It is 1 for a perfect critic, 0 for one that says the same everywhere, and negative for one that does harm. A constant
# error does not count: $V + 5$ explains as much as $V$. Where the returns do not vary at all it is not defined: return NaN.
#
# By hand: returns $(1, 2, 3)$ and values $(1, 1, 1)$: $\mathrm{Var}(G - V) = \mathrm{Var}(G)$, so $0$.
# Values $(2, 2, 3)$: the errors are $(-1, 0, 0)$ with variance $2/9$, the returns have $2/3$: $1 - 1/3 = 2/3$.
#
# <details><summary>Hint 1</summary>Both variances must divide by the same number.</details>
# <details><summary>Hint 2</summary>`tensor.var(correction=0)` divides by the number of entries.</details>
# <details><summary>Hint 3</summary>Look at the returns' variance before you divide.</details>


# %% answer="explained_variance"
def explained_variance(values, returns):
    """One number; NaN where the returns do not vary."""
    ### BEGIN SOLUTION
    spread = returns.var(correction=0)
    if spread == 0:
        return float("nan")
    return 1 - (returns - values).var(correction=0) / spread
    ### END SOLUTION


# %% check="explained_variance" points=2
check("explained_variance", explained_variance)

# %% check="explained_variance" points=1 hidden=true
check("explained_variance", explained_variance, hidden=True)

# %% [markdown]
# ### 6 Balance the pole · 4 points · difficulty 3 · about 20 minutes
#
# Train CartPole with *your* three functions and return the policy. `rlkit.ppo.train` takes them as arguments:
#
# ```python
# from rlkit.environments import CartPole
# from rlkit.ppo import PPOConfig, train
#
# config = PPOConfig(seed=seed, num_iterations=num_iterations, stop_at=475.0)
# result = train(CartPole((1, 32), seed=seed), config, advantage=..., surrogate=..., loss=...)
# ```
#
# `result.policy.export(0)` is the network of the first (here the only) seed as a list of tensors,
# [W1, b1, W2, b2, W3, b3].
#
# The check plays 40 episodes with the returned network, in its own float64 simulation of the pole, always taking the
# action with the larger output, and asks for a mean of at least 475 steps of the possible 500. It also looks at runs of
# two iterations, whose networks must differ from seed to seed and not all balance yet. Training is random: up
# to three seeds are tried, with 200 iterations. One takes about 5 seconds.
#
# <details><summary>Hint 1</summary>Your functions have the names and arguments that `train` expects.</details>
# <details><summary>Hint 2</summary>`result.reached` says after how many steps the last 100 episodes returned 475, or -1.</details>
# <details><summary>Hint 3</summary>If it did not: is every check above green?</details>


# %% answer="train_cartpole"
def train_cartpole(seed, num_iterations):
    """A list of tensors, [W1 (4, h), b1 (h,), W2 (h, h), b2, W3 (h, 2), b3 (2,)]."""
    ### BEGIN SOLUTION
    from rlkit.environments import CartPole
    from rlkit.ppo import PPOConfig, train

    result = train(
        CartPole((1, 32), seed=seed),
        PPOConfig(seed=seed, num_iterations=num_iterations, stop_at=475.0),
        advantage=generalized_advantage_estimate,
        surrogate=clipped_surrogate,
        loss=ppo_loss,
    )
    return result.policy.export(0)
    ### END SOLUTION


# %% check="train_cartpole" points=2
check("train_cartpole", train_cartpole)

# %% check="train_cartpole" points=2 hidden=true
check("train_cartpole", train_cartpole, hidden=True)

# %% [markdown]
# ### 7 In your own words · 3 points · about 20 minutes
#
# A colleague writes `torch.clamp(ratio, 0.8, 1.2) * advantages` without the minimum, "because the clip is what keeps the
# policy near the old one". Give a ratio and an advantage for which this changes the gradient, say what the agent then
# fails to do, and explain why the minimum is called a pessimistic bound.
#
# *Graded by hand:* 1 point for a case with numbers in which the gradients differ; 1 point for what the agent fails to
# do; 1 point for why the minimum never promises more than the unclipped objective.

# %% [markdown] written="minimum" points=3
# ### BEGIN SOLUTION
# Take a ratio of 1.5 and an advantage of $-2$ (or 0.5 and $+2$). The clamp alone gives $1.2 \cdot (-2) = -2.4$ with gradient
# zero; the minimum gives $-3$ with gradient $-2$.
#
# The action is bad and has become likelier than it was. Without the minimum nothing pulls it back: once a bad step has
# carried the ratio out of the range on the wrong side, the agent cannot correct it on this batch.
#
# The minimum of the clipped and the unclipped objective is never larger than the unclipped one, so an improvement of it
# is never only an artefact of clipping. It ignores a change of the ratio when that would make the objective look
# better, and counts it when it makes the objective worse.
# ### END SOLUTION
