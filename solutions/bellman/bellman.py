# %% [markdown]
# # Bellman equations
#
# This assignment goes with the chapter *Bellman equations*. You write the operators, evaluate a policy exactly, and
# plan in two ways: with a stop that keeps its promise, and by improving a policy until nothing improves.
#
# Eight exercises, 25 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 25 points, 11 come from checks that run after you hand in, on other inputs. An
# answer to exercise 2 that forgets the discount is told:
#
# ```
# expectation_backup
#   failed   the press under a coin toss                                   0 / 0.5
#            expected [0.25, -11.0], got [-7.0, -21.0]
#            hint: average 0.5 and 0
#            Your answer behaves like: forgets the discount.
#            A reward tomorrow is worth less than the same today.
# ```
#
# **Shapes.** All functions take plain tensors of type float64, with S states and A actions:
#
# | name | shape | meaning |
# |---|---|---|
# | `transition_probabilities` | (S, A, S) | $P(s' \mid s, a)$: the last axis is the next state |
# | `rewards` | (S, A) | $r(s, a)$, the expected reward |
# | `discount` | number | $\gamma$ in [0, 1) |
# | `policy` | (S, A) | $\pi(a \mid s)$: every row sums to 1 |
# | `state_values` | (S,) | $V(s)$ |
#
# A terminal state is one that every action leaves unchanged at reward 0. It needs no special treatment here.

# %% locked=true
from autograder import exam

check = exam("bellman")

# %%
import torch

torch.set_num_threads(1)

# The press of the chapter, with a worn press's second action made as bad as its first. States: in order, worn.
P = torch.tensor([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
r = torch.tensor([[5.0, 10.0], [-1.0, -1.0]], dtype=torch.float64)

# %% [markdown]
# ### 1 Look one step ahead · 2 points · difficulty 1 · about 10 minutes
#
# Everything in this assignment is built from one step of lookahead: what is action $a$ worth in state $s$, if the next
# state is worth $V(s')$?
#
# $$Q(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s')$$
#
# By hand: a press is in order or worn, and a worn one costs 1 a day for ever. Running it gently earns 5 and wears it out in
# half of the cases; running it hard earns 10 and always does. With $V = (2, -20)$ for in order and worn, and $\gamma = 0.5$,
# running it gently is worth
# $5 + 0.5\,(0.5 \cdot 2 + 0.5 \cdot (-20)) = 0.5$ and running it hard $10 + 0.5 \cdot (-20) = 0$.
#
# <details><summary>Hint 1</summary>The sum over the next state is a product of a (S, A, S) tensor with a vector.</details>
# <details><summary>Hint 2</summary>For a vector on the right, `@` sums over the last axis.</details>
# <details><summary>Hint 3</summary>rewards plus discount times (transition probabilities times values).</details>


# %% answer="q_from_v"
def q_from_v(transition_probabilities, rewards, discount, state_values):
    """Action values, shape (S, A)."""
    ### BEGIN SOLUTION
    return rewards + discount * transition_probabilities @ state_values
    ### END SOLUTION


# %% check="q_from_v" points=1
check("q_from_v", q_from_v)

# %% check="q_from_v" points=1 hidden=true
check("q_from_v", q_from_v, hidden=True)

# %% [markdown]
# ### 2 The expectation operator · 3 points · difficulty 2 · about 15 minutes
#
# The lookahead, averaged over what the policy does:
#
# $$
# \begin{aligned}
# (T_\pi V)(s) = \sum_a \pi(a \mid s) \Big[ & r(s, a) \\
# & + \gamma \sum_{s'} P(s' \mid s, a)\, V(s') \Big]
# \end{aligned}
# $$
#
# By hand: a policy that tosses a coin averages $0.5$ and $0$ of the exercise before to $0.25$.
#
# <details><summary>Hint 1</summary>Write the bracket first; it has one number for each state and action.</details>
# <details><summary>Hint 2</summary>Multiply by the policy, entry by entry, and sum over the actions.</details>
# <details><summary>Hint 3</summary>The action axis is the last one of a (S, A) tensor.</details>


# %% answer="expectation_backup"
def expectation_backup(transition_probabilities, rewards, discount, policy, state_values):
    """Values after one application of the operator, shape (S,)."""
    ### BEGIN SOLUTION
    lookahead = rewards + discount * transition_probabilities @ state_values
    return (policy * lookahead).sum(dim=1)
    ### END SOLUTION


# %% check="expectation_backup" points=2
check("expectation_backup", expectation_backup)

# %% check="expectation_backup" points=1 hidden=true
check("expectation_backup", expectation_backup, hidden=True)

# %% [markdown]
# ### 3 The optimality operator · 3 points · difficulty 2 · about 10 minutes
#
# The same with the best action in place of the average:
#
# $$(T V)(s) = \max_a \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s') \Big]$$
#
# By hand: the best of $0.5$ and $0$ is $0.5$.
#
# <details><summary>Hint 1</summary>Only one step differs from the exercise before.</details>
# <details><summary>Hint 2</summary>The maximum is over actions, after the sum over next states.</details>
# <details><summary>Hint 3</summary>`max(dim=...)` returns two things; `amax(dim=...)` returns the values.</details>


# %% answer="optimality_backup"
def optimality_backup(transition_probabilities, rewards, discount, state_values):
    """Values after one application of the operator, shape (S,)."""
    ### BEGIN SOLUTION
    lookahead = rewards + discount * transition_probabilities @ state_values
    return lookahead.amax(dim=1)
    ### END SOLUTION


# %% check="optimality_backup" points=2
check("optimality_backup", optimality_backup)

# %% check="optimality_backup" points=1 hidden=true
check("optimality_backup", optimality_backup, hidden=True)

# %% [markdown]
# ### 4 Evaluate a policy exactly · 4 points · difficulty 3 · about 25 minutes
#
# $V_\pi = T_\pi V_\pi$ is a linear system of S equations. Solve it:
#
# $$
# \begin{aligned}
# (I - \gamma P_\pi)\, V &= r_\pi, \\
# P_\pi(s' \mid s) &= \sum_a \pi(a \mid s) P(s' \mid s, a), \\
# r_\pi(s) &= \sum_a \pi(a \mid s)\, r(s, a)
# \end{aligned}
# $$
#
# The answer must be exact up to rounding at any discount, also at 0.999, where iterating takes tens of thousands of
# sweeps. By hand: a worn press at $\gamma = 0.5$ is worth $-1 / (1 - 0.5) = -2$.
#
# <details><summary>Hint 1</summary>First compute the matrix P_π, shape (S, S), and the vector r_π, shape (S,).</details>
# <details><summary>Hint 2</summary>`torch.einsum("sa,sat->st", ...)` sums over the action.</details>
# <details><summary>Hint 3</summary>`torch.linalg.solve(matrix, vector)`.</details>


# %% answer="evaluate_policy"
def evaluate_policy(transition_probabilities, rewards, discount, policy):
    """Values of the policy, shape (S,)."""
    ### BEGIN SOLUTION
    chain = torch.einsum("sa,sat->st", policy, transition_probabilities)
    chain_rewards = (policy * rewards).sum(dim=1)
    identity = torch.eye(len(chain), dtype=chain.dtype)
    return torch.linalg.solve(identity - discount * chain, chain_rewards)
    ### END SOLUTION


# %% check="evaluate_policy" points=2
check("evaluate_policy", evaluate_policy)

# %% check="evaluate_policy" points=2 hidden=true
check("evaluate_policy", evaluate_policy, hidden=True)

# %% [markdown]
# ### 5 The advantage · 2 points · difficulty 2 · about 10 minutes
#
# $A_\pi(s, a) = Q_\pi(s, a) - V_\pi(s)$ says how much better an action is than what the policy does on average. Here
# `state_values` are the values of the policy, so $Q_\pi$ is one lookahead away.
#
# By hand: for a coin toss between two actions worth $3$ and $1$, the value is $2$ and the advantages are $+1$ and $-1$.
#
# <details><summary>Hint 1</summary>Two tensors of different shapes are subtracted: (S, A) and (S,).</details>
# <details><summary>Hint 2</summary>`state_values[:, None]` has shape (S, 1), which broadcasts over actions.</details>
# <details><summary>Hint 3</summary>Without the extra axis, PyTorch lines the states up with the actions.</details>


# %% answer="advantages"
def advantages(transition_probabilities, rewards, discount, state_values):
    """Advantages of the policy whose values are given, shape (S, A)."""
    ### BEGIN SOLUTION
    lookahead = rewards + discount * transition_probabilities @ state_values
    return lookahead - state_values[:, None]
    ### END SOLUTION


# %% check="advantages" points=1
check("advantages", advantages)

# %% check="advantages" points=1 hidden=true
check("advantages", advantages, hidden=True)

# %% [markdown]
# ### 6 Be greedy, and fair about ties · 3 points · difficulty 2 · about 15 minutes
#
# Turn action values into a policy: the best action gets probability 1. Where several are within `tolerance` of the
# best, they share equally. Rounding makes equal actions differ in the last digit, and a policy that depends on the last
# digit changes from machine to machine.
#
# By hand: values $(1, 3, 3)$ give $(0, \tfrac12, \tfrac12)$.
#
# <details><summary>Hint 1</summary>Which entries are within `tolerance` of the largest in their row?</details>
# <details><summary>Hint 2</summary>`amax(dim=1, keepdim=True)` keeps an axis to compare with.</details>
# <details><summary>Hint 3</summary>Divide the marks, as float64, by their number in the row.</details>


# %% answer="greedy_policy"
def greedy_policy(action_values, tolerance):
    """Greedy policy, shape (S, A), for action values of shape (S, A)."""
    ### BEGIN SOLUTION
    best = action_values >= action_values.amax(dim=1, keepdim=True) - tolerance
    return best.double() / best.sum(dim=1, keepdim=True)
    ### END SOLUTION


# %% check="greedy_policy" points=2
check("greedy_policy", greedy_policy)

# %% check="greedy_policy" points=1 hidden=true
check("greedy_policy", greedy_policy, hidden=True)

# %% [markdown]
# ### 7 Value iteration that keeps its promise · 4 points · difficulty 4 · about 30 minutes
#
# Apply $T$ again and again, and stop when the values are *guaranteed* to be within `epsilon` of $V^*$ in every state.
# After a step from $V$ to $W = TV$ the guarantee is
#
# $$\| W - V^* \|_\infty \le \frac{\gamma}{1 - \gamma} \| W - V \|_\infty .$$
#
# Return the values. Your function is judged at $\gamma = 0.99$ by the exact optimum.
#
# By hand: at $\gamma = 0.99$ and a change of $0.01$ in the last sweep, the error may still be $99 \cdot 0.01 = 0.99$.
#
# <details><summary>Hint 1</summary>How small must the change be so that the right side is at most epsilon?</details>
# <details><summary>Hint 2</summary>Keep the old values beside the new ones, and compare before replacing them.</details>
# <details><summary>Hint 3</summary>A `while True` loop: new values, change, replace, return if the bound holds.</details>


# %% answer="value_iteration"
def value_iteration(transition_probabilities, rewards, discount, epsilon):
    """Values within epsilon of the optimal ones, shape (S,)."""
    ### BEGIN SOLUTION
    values = torch.zeros(len(rewards), dtype=rewards.dtype)
    while True:
        improved = (rewards + discount * transition_probabilities @ values).amax(dim=1)
        change = (improved - values).abs().max()
        values = improved
        if discount / (1 - discount) * change <= epsilon:
            return values
    ### END SOLUTION


# %% check="value_iteration" points=2
check("value_iteration", value_iteration)

# %% check="value_iteration" points=2 hidden=true
check("value_iteration", value_iteration, hidden=True)

# %% [markdown]
# Watch your values converge on a map: three values of epsilon, each with the guarantee in its title. Where does the
# news of the goal arrive last? (This cell is not graded; it needs a finished `value_iteration`.)

# %%
import matplotlib.pyplot as plt

from rlkit.gridworld import Gridworld
from rlkit.plotting import plot_gridworld, use_course_style

world = Gridworld("....G\n.##..\n..P#.\n.#...\nS....", slip=0.2, step_reward=-0.02, discount=0.95)
map_of_world = world.mdp()
use_course_style()
try:
    tables = map_of_world.dense(), map_of_world.expected_rewards, map_of_world.discount
    values_of = {epsilon: value_iteration(*tables, epsilon) for epsilon in (10, 1, 0.001)}
    _, panels = plt.subplots(1, 3, figsize=(13, 4.6))
    for axes, (epsilon, values) in zip(panels, values_of.items(), strict=True):
        plot_gridworld(world, values, axes=axes)
        axes.set_title(f"every value within {epsilon:g}")
except NotImplementedError:
    print("The map appears here when value_iteration is written.")

# %% [markdown]
# ### 8 Policy iteration · 4 points · difficulty 4 · about 30 minutes
#
# Evaluate exactly, act greedily, repeat until no state can improve. Return the policy, shape (S, A), and its values,
# shape (S,). At the end both are optimal, up to rounding.
#
# Mind ties. Two equally good actions whose values differ by rounding can take turns for ever. Change the policy only in
# states where the best action is better than the present value by more than a small margin such as $10^{-9}$.
#
# If the check gives no answer for more than a few seconds, that is what is happening: interrupt the kernel (the square
# button), and think about when your loop ends.
#
# <details><summary>Hint 1</summary>Start anywhere, for example with action 0 in every state.</details>
# <details><summary>Hint 2</summary>You may call the functions that you wrote above.</details>
# <details><summary>Hint 3</summary>Stop as soon as the largest improvement over all states is below the margin.</details>


# %% answer="policy_iteration"
def policy_iteration(transition_probabilities, rewards, discount):
    """An optimal policy, shape (S, A), and its values, shape (S,)."""
    ### BEGIN SOLUTION
    num_states, num_actions = rewards.shape
    identity = torch.eye(num_states, dtype=rewards.dtype)
    states = torch.arange(num_states)
    actions = torch.zeros(num_states, dtype=torch.int64)
    while True:
        chain = transition_probabilities[states, actions]
        values = torch.linalg.solve(identity - discount * chain, rewards[states, actions])
        lookahead = rewards + discount * transition_probabilities @ values
        improves = lookahead.amax(dim=1) > values + 1e-9
        if not improves.any():
            return torch.nn.functional.one_hot(actions, num_actions).to(rewards.dtype), values
        actions = torch.where(improves, lookahead.argmax(dim=1), actions)
    ### END SOLUTION


# %% check="policy_iteration" points=2
check("policy_iteration", policy_iteration)

# %% check="policy_iteration" points=2 hidden=true
check("policy_iteration", policy_iteration, hidden=True)

# %% [markdown]
# ### 9 In your own words · 3 points · about 20 minutes
#
# A colleague stops value iteration as soon as no value changes by more than $\varepsilon$, and reports that the values
# are correct to within $\varepsilon$. Explain why this does not follow. Give an example of your own, with numbers, in
# which the change is below $\varepsilon$ and the error above it, and say what the colleague should do instead.
#
# *Graded by hand:* 1 point for saying what the change bounds and what it does not; 1 point for an example whose numbers
# are right; 1 point for a stopping rule that gives the guarantee.

# %% [markdown] written="stopping" points=3
# ### BEGIN SOLUTION
# The change between two sweeps says how far the last step went, not how far there is still to go. If every sweep goes
# a fraction $\gamma$ of the sweep before, the steps still to come add up to $\gamma / (1 - \gamma)$ times the last one.
#
# Example: one state, one action, reward 1, $\gamma = 0.99$, so $V^* = 100$. From $V = 0$ the values after $k$ sweeps are
# $100\,(1 - 0.99^k)$, the change in sweep $k$ is $0.99^{k-1}$, and the error after it is $100 \cdot 0.99^k$. With
# $\varepsilon = 0.1$ the colleague stops at the first $k$ with $0.99^{k-1} \le 0.1$, which is $k = 231$; the error is then
# $100 \cdot 0.99^{231} = 9.8$, a hundred times $\varepsilon$.
#
# Stop when $\gamma / (1 - \gamma)$ times the change is at most $\varepsilon$; here that is when the change is below 0.00101.
# ### END SOLUTION
