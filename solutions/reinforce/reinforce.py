# %% [markdown]
# # REINFORCE
#
# This assignment goes with the chapter *REINFORCE*. You write the parts of a policy gradient: what an action is held
# responsible for, how likely it was, the loss whose gradient is the estimator, and a baseline that leaves the estimator
# right. Then you compute the gradient exactly on a problem small enough to list all that can happen, measure noise, and
# train an agent that balances a pole.
#
# Eight exercises, 23 points, and a written answer of 3 points. About three hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 10 come from checks that run after you hand in, on other inputs. An
# answer to exercise 1 that takes a cut for an ending is told:
#
# ```
# returns_to_go
#   failed   a truncated episode goes on with the value of its final observation    0 / 0.5
#            expected [[7.0], [10.0]], got [[2.0], [0.0]]
#            hint: 2 + 0.5 · 10, although row 2 holds a reward too
#            Your answer behaves like: truncation treated as termination.
#            Would this episode have earned more if we had gone on watching?
# ```
#
# **Shapes.** T steps, B environments side by side, A actions, D dimensions of a continuous action, S states, N episodes.
# Tensors of numbers are float64 unless a text says otherwise. `...` stands for any leading axes.

# %% locked=true
from autograder import exam

check = exam("reinforce")

# %%
import math

import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 What is still to come · 4 points · difficulty 3 · about 30 minutes
#
# An action can change only what comes after it. So REINFORCE weighs each step by its return-to-go,
#
# $$G_t = r_t + \gamma\, G_{t+1}.$$
#
# A recording of T steps in B environments holds several episodes one after the other: where one ended, the next row
# already belongs to another. Three cases:
#
# * **terminated** (the world ended the episode): nothing follows, $G_t = r_t$;
# * **truncated** (we stopped watching), and the **last row** of an episode that has not ended: the rest was not seen, and
#   the value of the final observation stands for it, $G_t = r_t + \gamma\, V(s_{t+1})$ with $V(s_{t+1})$ =
#   `next_values[t]`;
# * otherwise $G_t = r_t + \gamma\, G_{t+1}$, and `next_values[t]` is not used.
#
# Where both flags are true, the episode terminated. Rows are steps; the other axes, often one of B environments, are
# independent of each other.
#
# By hand, at $\gamma = 0.5$: rewards $1, 2, 4$ of one episode that terminates give $G = (3, 4, 4)$. If it was truncated
# instead, at an observation worth $8$, then $G = (4, 6, 8)$.
#
# <details><summary>Hint 1</summary>Go through the rows from the last to the first.</details>
# <details><summary>Hint 2</summary>In every row, decide what follows the reward: 0, a value, or the return of the row
# below. `torch.where` decides for all environments at once.</details>
# <details><summary>Hint 3</summary>Above the last row the value replaces what follows where truncated; in the last row
# everywhere. Then zero replaces it where terminated.</details>


# %% answer="returns_to_go"
def returns_to_go(rewards, next_values, terminated, truncated, discount):
    """Returns-to-go, shape (T, ...); all four tensors have shape (T, ...), the flags are boolean."""
    ### BEGIN SOLUTION
    returns = torch.zeros_like(rewards)
    rest = next_values[-1]
    for t in reversed(range(len(rewards))):
        rest = torch.where(truncated[t], next_values[t], rest)
        rest = torch.where(terminated[t], torch.zeros_like(rest), rest)
        rest = returns[t] = rewards[t] + discount * rest
    return returns
    ### END SOLUTION


# %% check="returns_to_go" points=2
check("returns_to_go", returns_to_go)

# %% check="returns_to_go" points=2 hidden=true
check("returns_to_go", returns_to_go, hidden=True)

# %% [markdown]
# ### 2 How likely was this action? · 3 points · difficulty 2 · about 20 minutes
#
# A network gives one number for each action, a *logit* $z_a$. The policy is their softmax, and REINFORCE needs the
# logarithm of the probability of the action that was taken:
#
# $$\log \pi(a) = z_a - \log \sum_b e^{z_b}$$
#
# It must be right for large logits too, where $e^{z}$ is larger than any number, and for differences so large that a
# probability rounds to zero. And it must stay differentiable: use PyTorch, and no `.item()`.
#
# By hand: logits $(0, \log 3)$ mean probabilities $\tfrac14, \tfrac34$; for action 1 the answer is $\log\tfrac34 = -0.288$.
#
# <details><summary>Hint 1</summary>PyTorch has the logarithm of a softmax, and of a sum of exponentials, in one
# piece.</details>
# <details><summary>Hint 2</summary>`gather(dim=-1, ...)` picks one entry of each row; its index needs as many axes as the
# tensor.</details>
# <details><summary>Hint 3</summary>`actions.unsqueeze(-1)` before, `squeeze(-1)` after.</details>


# %% answer="categorical_log_probability"
def categorical_log_probability(logits, actions):
    """Logarithm of the probability of each action, shape (...), for logits (..., A) and int64 actions (...)."""
    ### BEGIN SOLUTION
    return logits.log_softmax(dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    ### END SOLUTION


# %% check="categorical_log_probability" points=2
check("categorical_log_probability", categorical_log_probability)

# %% check="categorical_log_probability" points=1 hidden=true
check("categorical_log_probability", categorical_log_probability, hidden=True)

# %% [markdown]
# ### 3 Actions that are numbers · 3 points · difficulty 2 · about 20 minutes
#
# A torque or a speed is drawn from a normal distribution in each of D dimensions, independently. Densities of independent
# numbers multiply, so their logarithms add:
#
# $$
# \begin{aligned}
# \log \pi(a) = \sum_{d=1}^{D} \Big[ & {-\tfrac12} \Big(\frac{a_d - \mu_d}{\sigma_d}\Big)^2 \\
# & - \log \sigma_d - \tfrac12 \log 2\pi \Big]
# \end{aligned}
# $$
#
# The network gives $\log \sigma$, so that any number it gives makes a positive $\sigma$. A density can be larger than 1,
# so its logarithm may be positive. Write the formula yourself, differentiable.
#
# By hand: in one dimension at $a = \mu$ and $\sigma = 1$ it is $-\tfrac12 \log 2\pi = -0.919$; in three, three times that.
#
# <details><summary>Hint 1</summary>First the bracket, with one number for each dimension.</details>
# <details><summary>Hint 2</summary>$\sigma$ is the exponential of what is given, and $\log\sigma$ is what is given.</details>
# <details><summary>Hint 3</summary>Sum over the last axis. `math.log(2 * math.pi)` is a number.</details>


# %% answer="gaussian_log_probability"
def gaussian_log_probability(mean, log_standard_deviation, actions):
    """Logarithm of the density, shape (...); mean and actions have shape (..., D), the other one that or (D,)."""
    ### BEGIN SOLUTION
    distance = (actions - mean) / log_standard_deviation.exp()
    return (-0.5 * distance**2 - log_standard_deviation - 0.5 * math.log(2 * math.pi)).sum(dim=-1)
    ### END SOLUTION


# %% check="gaussian_log_probability" points=2
check("gaussian_log_probability", gaussian_log_probability)

# %% check="gaussian_log_probability" points=1 hidden=true
check("gaussian_log_probability", gaussian_log_probability, hidden=True)

# %% [markdown]
# ### 4 A loss whose gradient is the estimator · 3 points · difficulty 2 · about 15 minutes
#
# The policy gradient is estimated by $\nabla \log \pi(a_t \mid s_t)\, A_t$, and PyTorch makes gradients of losses. So we
# hand it a number whose gradient is *minus* the estimator: optimizers go downhill, and we want to go up.
#
# $$\ell_t = -\log \pi(a_t \mid s_t)\, A_t$$
#
# The advantage is a measurement. It may have been computed by a network whose parameters must not be moved by this
# loss, so no gradient may flow into it. Return one number for each step; the caller adds them up.
#
# By hand: $\log\pi = -2$ and $A = 3$ give a loss of $6$. Its derivative for $\log\pi$ is $-3$, and for $A$ there is none.
#
# <details><summary>Hint 1</summary>One line; mind the sign.</details>
# <details><summary>Hint 2</summary>Which method of a tensor returns the same numbers without their history?</details>
# <details><summary>Hint 3</summary>Cut the history of the advantage, not that of the log-probability.</details>


# %% answer="policy_gradient_loss"
def policy_gradient_loss(log_probabilities, advantages):
    """Loss of each step, shape (...), for two tensors of shape (...)."""
    ### BEGIN SOLUTION
    return -log_probabilities * advantages.detach()
    ### END SOLUTION


# %% check="policy_gradient_loss" points=2
check("policy_gradient_loss", policy_gradient_loss)

# %% check="policy_gradient_loss" points=1 hidden=true
check("policy_gradient_loss", policy_gradient_loss, hidden=True)

# %% [markdown]
# ### 5 A baseline from the others · 2 points · difficulty 2 · about 15 minutes
#
# A baseline is subtracted from the return. It makes the estimate quieter and leaves its mean as it is, provided that it
# does not depend on the action. With N episodes of the same task at hand, the mean return of the *other* N − 1 is such a
# baseline; the mean of all N is not, because the episode's own return is in it.
#
# By hand: returns $(1, 2, 6)$ have baselines $(4, 3.5, 1.5)$.
#
# With T steps, the returns-to-go have shape (N, T), and each step has a baseline of its own: the mean over the other
# episodes at that step.
#
# <details><summary>Hint 1</summary>The sum over all, without one's own.</details>
# <details><summary>Hint 2</summary>How many episodes are left in that sum?</details>
# <details><summary>Hint 3</summary>`sum(dim=0)` has one axis less and broadcasts against the returns, for (N,) and for
# (N, T).</details>


# %% answer="leave_one_out_baseline"
def leave_one_out_baseline(returns):
    """Baseline of each episode, of the shape of the returns, (N,) or (N, T) with N at least 2."""
    ### BEGIN SOLUTION
    return (returns.sum(dim=0) - returns) / (len(returns) - 1)
    ### END SOLUTION


# %% check="leave_one_out_baseline" points=1
check("leave_one_out_baseline", leave_one_out_baseline)

# %% check="leave_one_out_baseline" points=1 hidden=true
check("leave_one_out_baseline", leave_one_out_baseline, hidden=True)

# %% [markdown]
# What would the mean of all N do? Here are two actions, worth 1 and 0, a coin toss between them, and N draws. All
# outcomes of the N draws are listed, so the expected gradients below are exact; the true gradient for the first logit is
# 0.25. What do you expect in the right column, before you run the cell? (Not graded; it needs a finished
# `leave_one_out_baseline`.)

# %%
import itertools


def expected_gradient(num_draws, baseline):
    """Expected estimate of dJ/dlogit for the first action, over all outcomes of the draws."""
    total = 0.0
    for draws in itertools.product([1.0, 0.0], repeat=num_draws):
        rewards = torch.tensor(draws, dtype=torch.float64)
        score = rewards - 0.5  # derivative of log softmax at two equal logits: 1 - 0.5 for the first action, else -0.5
        total += 0.5**num_draws * float((score * (rewards - baseline(rewards))).mean())
    return total


try:
    print(" N   mean of the others   mean of all")
    for num_draws in (2, 4, 8):
        with_itself = expected_gradient(num_draws, lambda returns: returns.mean())
        print(f"{num_draws:2d}   {expected_gradient(num_draws, leave_one_out_baseline):18.4f}   {with_itself:11.4f}")
except NotImplementedError:
    print("The table appears here when leave_one_out_baseline is written.")

# %% [markdown]
# ### 6 The gradient itself · 4 points · difficulty 4 · about 40 minutes
#
# On a small problem nothing needs to be estimated. A trajectory $\tau = (s_0, a_0, \dots, s_{H-1}, a_{H-1})$ of H steps has
# the probability
#
# $$
# \begin{aligned}
# p(\tau) ={}& \mu(s_0)\, \pi(a_0 \mid s_0) \\
# & \cdot \prod_{t=1}^{H-1} P(s_t \mid s_{t-1}, a_{t-1})\, \pi(a_t \mid s_t)
# \end{aligned}
# $$
#
# with the initial distribution $\mu$. With $J = \mathbb{E}\big[\sum_{t=0}^{H-1} \gamma^t r(s_t, a_t)\big]$ the policy gradient theorem says
#
# $$
# \begin{aligned}
# \nabla J &= \sum_\tau p(\tau) \sum_{t=0}^{H-1} \gamma^t\, G_t\, \nabla \log \pi(a_t \mid s_t), \\
# G_t &= \sum_{k=t}^{H-1} \gamma^{k-t} r(s_k, a_k).
# \end{aligned}
# $$
#
# The policy is a softmax of each row of `logits`, shape (S, A), and the gradient has that shape too. Row $s_t$ of
# $\nabla \log \pi(a_t \mid s_t)$ holds $\partial \log \pi(a_t \mid s_t) / \partial z_b = [b = a_t] - \pi(b \mid s_t)$; the other
# rows are 0.
#
# By hand: one state, two actions worth 1 and 0, equal logits, one step. The two trajectories have probability
# $\tfrac12$; only the first has a return, and $\nabla J = \tfrac12 \cdot 1 \cdot (\tfrac12, -\tfrac12) = (0.25, -0.25)$.
#
# The problems are small: at most about a thousand trajectories. How you add them up is up to you.
#
# <details><summary>Hint 1</summary>`itertools.product(pairs, repeat=horizon)` yields every sequence of H pairs
# (state, action).</details>
# <details><summary>Hint 2</summary>Or write a function that extends a trajectory by one step and calls itself.</details>
# <details><summary>Hint 3</summary>Per trajectory: the probability (a product), the returns-to-go (from the back), and for
# each step one row of the gradient.</details>


# %% answer="exact_gradient"
def exact_gradient(initial_distribution, transition_probabilities, rewards, logits, discount, horizon):
    """Gradient of J for the logits, shape (S, A); the first four have shapes (S,), (S, A, S), (S, A) and (S, A)."""
    ### BEGIN SOLUTION
    num_states, num_actions = rewards.shape
    policy = logits.softmax(dim=1)
    gradient = torch.zeros_like(logits)
    pairs = [(s, a) for s in range(num_states) for a in range(num_actions)]
    for trajectory in itertools.product(pairs, repeat=horizon):
        probability = initial_distribution[trajectory[0][0]]
        for (s, a), (arrival, _) in itertools.pairwise(trajectory):
            probability = probability * policy[s, a] * transition_probabilities[s, a, arrival]
        probability = probability * policy[trajectory[-1]]
        if probability == 0:
            continue
        return_to_go = 0.0
        for t in reversed(range(horizon)):
            s, a = trajectory[t]
            return_to_go = rewards[s, a] + discount * return_to_go
            weight = probability * discount**t * return_to_go
            gradient[s] -= weight * policy[s]
            gradient[s, a] += weight
    return gradient
    ### END SOLUTION


# %% check="exact_gradient" points=2
check("exact_gradient", exact_gradient)

# %% check="exact_gradient" points=2 hidden=true
check("exact_gradient", exact_gradient, hidden=True)

# %% [markdown]
# Watch the estimate find the gradient, and see what the usual program drops: $\gamma^t$. It weighs every step as if it
# were the first. (Not graded; it needs a finished `exact_gradient`.)

# %%
# Two rooms. Staying (action 0) in the first earns 1, moving on (action 1) nothing; the second pays 3 for staying.
moves = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
pay = torch.tensor([[1.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
start, equal_logits = torch.tensor([1.0, 0.0], dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)


def estimated_gradient(num_episodes, discount, horizon, keep_discount, seed=0):
    """REINFORCE's estimate at equal logits, by simulation."""
    generator = torch.Generator().manual_seed(seed)
    states, visits, earned = torch.zeros(num_episodes, dtype=torch.int64), [], []
    for _ in range(horizon):
        actions = torch.randint(2, (num_episodes,), generator=generator)
        visits.append((states, actions))
        earned.append(pay[states, actions])
        states = (states + actions) % 2
    estimate, rest = torch.zeros(2, 2, dtype=torch.float64), torch.zeros(num_episodes, dtype=torch.float64)
    for t in reversed(range(horizon)):
        rest = earned[t] + discount * rest
        weight = rest * (discount**t if keep_discount else 1.0) / num_episodes
        states, actions = visits[t]
        estimate.index_put_((states, actions), 0.5 * weight, accumulate=True)
        estimate.index_put_((states, 1 - actions), -0.5 * weight, accumulate=True)
    return estimate


def tell(label, gradient):
    """Print the derivatives for the two logits of staying."""
    print(f"{label:>28s}   {gradient[0, 0]:7.4f}   {gradient[1, 0]:7.4f}")


try:
    exact = exact_gradient(start, moves, pay, equal_logits, 0.5, 4)
    print(f"{'logit of staying in':>28s}    room 1    room 2")
    for episodes in (100, 10_000, 1_000_000):
        tell(f"{episodes:,} episodes", estimated_gradient(episodes, 0.5, 4, keep_discount=True))
    tell("exact", exact)
    tell("1,000,000, without γᵗ", estimated_gradient(1_000_000, 0.5, 4, keep_discount=False))
except NotImplementedError:
    print("The comparison appears here when exact_gradient is written.")

# %% [markdown]
# ### 7 Which baseline is quieter? · 2 points · difficulty 3 · about 20 minutes
#
# To compare baselines, keep one policy fixed and estimate its gradient K times with each, every time from fresh episodes.
# For one baseline that is a table of K estimates with P numbers each. Two numbers sum it up:
#
# * the **total variance**: the variance over the K estimates (unbiased, with K − 1 in the denominator), *summed* over
#   the P numbers;
# * the **noise-to-signal ratio**: the total variance divided by the squared length of the true gradient. The squared
#   length of the mean estimate is too large, by the total variance divided by K, because the mean is still noisy:
#
# $$\text{signal} = \Big\| \frac1K \sum_k g_k \Big\|^2 - \frac{\text{total variance}}{K}$$
#
# Where that is not positive, nothing can be said about the direction: return infinity.
#
# By hand: the estimates $(3, 0)$ and $(5, 2)$ have variances $2$ and $2$, in all $4$; the mean is $(4, 1)$, so the signal is
# $17 - 4/2 = 15$, and the ratio $4/15$.
#
# <details><summary>Hint 1</summary>`var(dim=...)` is unbiased by default.</details>
# <details><summary>Hint 2</summary>After both reductions, one number for each baseline must be left.</details>
# <details><summary>Hint 3</summary>`torch.where(signal > 0, ..., torch.inf)`.</details>


# %% answer="variance_comparison"
def variance_comparison(gradients):
    """Total variance (M,) and noise-to-signal ratio (M,) of M baselines, for estimates of shape (M, K, P)."""
    ### BEGIN SOLUTION
    total_variance = gradients.var(dim=1).sum(dim=1)
    signal = gradients.mean(dim=1).square().sum(dim=1) - total_variance / gradients.shape[1]
    return total_variance, torch.where(signal > 0, total_variance / signal, torch.inf)
    ### END SOLUTION


# %% check="variance_comparison" points=1
check("variance_comparison", variance_comparison)

# %% check="variance_comparison" points=1 hidden=true
check("variance_comparison", variance_comparison, hidden=True)

# %% [markdown]
# ### 8 Balance a pole · 2 points · difficulty 2 · about 15 minutes
#
# A pole stands on a cart; every 0.02 seconds the agent pushes left or right. A step earns 1 until the pole falls, at most
# 200. `rlkit.reinforce.train` plays 16 episodes at a time, computes returns with *your* `returns_to_go`, makes the
# advantages, and follows the gradient of *your* `policy_gradient_loss`. (If one of the two is not finished, leave it out:
# `train` has its own.)
#
# Write the function that trains for `num_iterations` iterations with the given seed and returns the network of the policy
# as a list of plain tensors `[W1 (4, h), b1 (h,), W2 (h, 2), b2 (2,)]`. The same seed must give the same network.
#
# The check trains for 60 iterations, some five seconds, and then balances poles with the returned network: its own poles,
# always pushing in the likelier direction, from 20 starts. It asks for 190 of 200 steps on average, and tries up to three
# seeds. Of 800 seeds with the settings as they are, all reached 200.
#
# <details><summary>Hint 1</summary>`CartPole((1, 16), seed=..., step_limit=200, device="cpu")` makes 16 poles for one
# seed.</details>
# <details><summary>Hint 2</summary>`ReinforceConfig(num_iterations=..., seed=...)`; its other settings may stay.</details>
# <details><summary>Hint 3</summary>`train(environment, config, returns=..., loss=...)` gives a result;
# `result.policy.export(0)` is the list for the first seed.</details>

# %%
from rlkit.environments import CartPole
from rlkit.reinforce import ReinforceConfig, train


# %% answer="train_policy"
def train_policy(seed, num_iterations):
    """Train on CartPole with a limit of 200 steps; return [W1 (4, h), b1 (h,), W2 (h, 2), b2 (2,)]."""
    ### BEGIN SOLUTION
    environment = CartPole((1, 16), seed=seed, step_limit=200, device="cpu")
    config = ReinforceConfig(num_iterations=num_iterations, seed=seed)
    result = train(environment, config, returns=returns_to_go, loss=policy_gradient_loss)
    return result.policy.export(0)
    ### END SOLUTION


# %% check="train_policy" points=1.5
check("train_policy", train_policy)

# %% check="train_policy" points=0.5 hidden=true
check("train_policy", train_policy, hidden=True)

# %% [markdown]
# ### 9 In your own words · 3 points · about 25 minutes
#
# A colleague subtracts from each of N returns the mean of all N, and says: "a baseline never changes the expected
# gradient." Explain what is wrong with applying this here, find by what factor the expected gradient changes, and say
# whether it matters in practice.
#
# *Graded by hand:* 1 point for saying what a baseline must not depend on, and where that is used in the proof; 1 point for
# the factor with a derivation (a case such as N = 2 with numbers, and its generalisation, is enough); 1 point for a judgement
# of when it matters, with a reason.

# %% [markdown] written="own_baseline" points=3
# ### BEGIN SOLUTION
# The proof that a baseline $b$ changes nothing takes $b$ out of the expectation over the action:
# $\mathbb{E}[\nabla \log \pi(a)\, b] = b\, \mathbb{E}[\nabla \log \pi(a)] = 0$. That needs $b$ not to depend on the action that it
# is multiplied by. The mean of all $N$ returns contains the episode's own return, which does depend on it.
#
# Write the mean as $G / N$ plus $(N - 1) / N$ times the mean of the others. The part of the others is a proper baseline: it is
# independent of this episode and drops out. What is left is
# $\mathbb{E}[\nabla \log \pi\, (G - G / N)]$, which is $(1 - 1 / N)\, \mathbb{E}[\nabla \log \pi\, G]$: the expected gradient is
# shrunk by the factor $1 - 1 / N$. With $N = 2$ it is half: the table after exercise 5 has 0.125 in place of 0.25.
#
# The direction is right and the factor is the same for all parameters, so for plain gradient ascent it is the same as a learning
# rate that is multiplied by $1 - 1 / N$. With Adam even that mostly cancels, and with $N = 64$ it takes away 1.6%. It matters where $N$ is small (a few
# samples for each prompt), where $N$ differs between groups, so that small groups count less, and where gradients
# are compared with exact ones. The leave-one-out mean costs nothing, so there is no reason not to use it.
# ### END SOLUTION
