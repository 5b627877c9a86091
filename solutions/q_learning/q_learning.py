# %% [markdown]
# # Q-learning
#
# This assignment goes with the chapter *Q-learning*. You write the parts of a tabular learner, put them together, and
# train agents whose tables are then judged by exact evaluation.
#
# Seven exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 9 come from checks that run after you hand in, on other inputs. An
# answer to exercise 2 that forgets how an episode ends is told:
#
# ```
# q_learning_target
#   failed   a batch of transitions, some of them terminal                  0 / 1
#            expected [5.5, 1.0], got [5.5, 5.5]
#            Your answer behaves like: bootstraps past the end.
#            Where the episode has terminated there is no next state, so nothing is added to the reward.
# ```
#
# **Shapes.** B transitions, A actions, S states:
#
# | name | shape | meaning |
# |---|---|---|
# | `reward` | (B,) | $r$ |
# | `next_action_values` | (B, A) | $Q(s', \cdot)$ at the final observation of the step |
# | `terminated` | (B,) bool | $d$: the world ended the episode |
# | `discount` | number | $\gamma$ |
# | `action_values` | (S, A) | the table $Q$ |
#
# All tensors are float64 unless said otherwise. A function that works on its last axis alone passes for more leading
# axes as well, and some checks try that.

# %% locked=true
from autograder import exam

check = exam("q_learning")

# %%
import numpy as np
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 Explore sometimes · 3 points · difficulty 2 · about 20 minutes
#
# With probability $\varepsilon$ draw any of the $A$ actions uniformly, the best one included; otherwise take the best
# one, and among equally good ones draw uniformly. Every row of the batch tosses its own coin.
#
# By hand: with $\varepsilon = 0.4$ and the values $(1, 3, 2, 0)$ the second action is taken with probability
# $0.6 + 0.4 / 4 = 0.7$, each other one with $0.1$.
#
# Draw from `generator`: `torch.rand(shape, generator=generator)`. The order of your draws does not matter; the checks
# count how often each action comes. A right answer fails them by chance less than once in a million runs.
#
# <details><summary>Hint 1</summary>You need one random number per row to decide whether it explores.</details>
# <details><summary>Hint 2</summary>The largest of independent uniform numbers is equally likely to be any of them:
# scores for the actions that may be chosen, -1 for the others, and `argmax`.</details>
# <details><summary>Hint 3</summary>An action may be chosen if its row explores or if its value is the row's largest.</details>


# %% answer="epsilon_greedy"
def epsilon_greedy(action_values, epsilon, generator):
    """Actions, int64, shape (B,); action_values has shape (B, A)."""
    ### BEGIN SOLUTION
    explores = torch.rand(len(action_values), 1, generator=generator) < epsilon
    allowed = explores | (action_values == action_values.amax(dim=-1, keepdim=True))
    scores = torch.rand(action_values.shape, generator=generator)
    return torch.where(allowed, scores, -1.0).argmax(dim=-1)
    ### END SOLUTION


# %% check="epsilon_greedy" points=2
check("epsilon_greedy", epsilon_greedy)

# %% check="epsilon_greedy" points=1 hidden=true
check("epsilon_greedy", epsilon_greedy, hidden=True)

# %% [markdown]
# ### 2 The target of Q-learning · 3 points · difficulty 2 · about 10 minutes
#
# Return the target of each transition: its reward, and what the best next action is worth unless the step ended the
# episode ($d = 1$ if it did, else 0):
#
# $$y = r + \gamma \,(1 - d)\, \max_{a'} Q(s', a')$$
#
# By hand: $r = 1$, the best next value is 9 and $\gamma = 0.5$: $y = 5.5$. If the step ended the episode: $y = 1$.
#
# `terminated` is true only where the world ended the episode. Where a step limit cut it, it is false, and
# `next_action_values` holds the values of the state in which the step arrived.
#
# <details><summary>Hint 1</summary>Which axis holds the actions? The last one.</details>
# <details><summary>Hint 2</summary>`~terminated` is true where the episode goes on.</details>
# <details><summary>Hint 3</summary>Reward plus discount times (goes on) times the largest next value.</details>


# %% answer="q_learning_target"
def q_learning_target(reward, next_action_values, terminated, discount):
    """Targets, shape (B,)."""
    ### BEGIN SOLUTION
    return reward + discount * ~terminated * next_action_values.amax(dim=-1)
    ### END SOLUTION


# %% check="q_learning_target" points=2
check("q_learning_target", q_learning_target)

# %% check="q_learning_target" points=1 hidden=true
check("q_learning_target", q_learning_target, hidden=True)

# %% [markdown]
# ### 3 The target of expected SARSA · 3 points · difficulty 2 · about 15 minutes
#
# SARSA bootstraps from the action that it takes next. Expected SARSA averages over what the policy would do:
#
# $$y = r + \gamma \,(1 - d) \sum_{a'} \pi(a' \mid s')\, Q(s', a')$$
#
# Here the policy is $\varepsilon$-greedy on the same values. By hand: values $(5, 9)$, $\varepsilon = 0.5$: the
# probabilities are $(0.25, 0.75)$, their average is $8$, and with $r = 1$, $\gamma = 0.5$ the target is $5$.
# Equally good actions share the greedy part.
#
# <details><summary>Hint 1</summary>First the probabilities, shape (B, A): you wrote them in the first assignment.</details>
# <details><summary>Hint 2</summary>Multiply entry by entry and sum over the last axis.</details>
# <details><summary>Hint 3</summary>Every action gets epsilon / A; the best ones share 1 - epsilon on top.</details>


# %% answer="expected_sarsa_target"
def expected_sarsa_target(reward, next_action_values, epsilon, terminated, discount):
    """Targets, shape (B,), for the epsilon-greedy policy on next_action_values."""
    ### BEGIN SOLUTION
    best = (next_action_values == next_action_values.amax(dim=-1, keepdim=True)).to(next_action_values.dtype)
    greedy = best / best.sum(dim=-1, keepdim=True)
    probabilities = (1 - epsilon) * greedy + epsilon / next_action_values.shape[-1]
    return reward + discount * ~terminated * (probabilities * next_action_values).sum(dim=-1)
    ### END SOLUTION


# %% check="expected_sarsa_target" points=2
check("expected_sarsa_target", expected_sarsa_target)

# %% check="expected_sarsa_target" points=1 hidden=true
check("expected_sarsa_target", expected_sarsa_target, hidden=True)

# %% [markdown]
# ### 4 Two tables against one's own luck · 3 points · difficulty 3 · about 15 minutes
#
# The largest of several noisy estimates is too large on average. Double Q-learning lets one table choose the action
# and the other say what it is worth:
#
# $$y = r + \gamma \,(1 - d)\, Q_2\big(s', \operatorname{argmax}_{a'} Q_1(s', a')\big)$$
#
# By hand: the selecting table says $(5, 9)$, the evaluating one $(2, 3)$. The second action is chosen and is worth 3:
# with $r = 1$ and $\gamma = 0.5$ the target is $2.5$. With $(4, 3)$ in place of $(2, 3)$ it is still $2.5$.
#
# <details><summary>Hint 1</summary>Where does the argmax go?</details>
# <details><summary>Hint 2</summary>`gather` picks one entry of each row; it wants an index with the same number of axes.</details>
# <details><summary>Hint 3</summary>`argmax(dim=-1, keepdim=True)`, then `gather(-1, ...)`, then `squeeze(-1)`.</details>


# %% answer="double_q_target"
def double_q_target(reward, selecting_action_values, evaluating_action_values, terminated, discount):
    """Targets, shape (B,)."""
    ### BEGIN SOLUTION
    chosen = selecting_action_values.argmax(dim=-1, keepdim=True)
    value = evaluating_action_values.gather(-1, chosen).squeeze(-1)
    return reward + discount * ~terminated * value
    ### END SOLUTION


# %% check="double_q_target" points=2
check("double_q_target", double_q_target)

# %% check="double_q_target" points=1 hidden=true
check("double_q_target", double_q_target, hidden=True)

# %% [markdown]
# ### 5 Move the table · 4 points · difficulty 3 · about 20 minutes
#
# Given a batch of transitions, move each visited cell towards the **mean** of its targets by the learning rate:
#
# $$Q(s, a) \leftarrow Q(s, a) + \alpha \,[\, \bar y(s, a) - Q(s, a) \,]$$
#
# Cells that the batch does not visit stay as they are, and the table that was passed in is not changed.
#
# By hand: $Q(0, 1) = 2$, two transitions visit this cell, with targets 4 and 8, and $\alpha = 0.5$. Their mean is 6, so
# $Q(0, 1)$ becomes $4$.
#
# The trap is indexing: `table[states, actions] += ...` keeps only one of several updates of the same cell.
#
# <details><summary>Hint 1</summary>Sum the targets of each cell and count its visits.</details>
# <details><summary>Hint 2</summary>`index_add_` or `index_put_(..., accumulate=True)` adds every entry, also to the same place.</details>
# <details><summary>Hint 3</summary>A loop over the visited cells is as good an answer.</details>


# %% answer="update_table"
def update_table(action_values, states, actions, targets, learning_rate):
    """The new table, shape (S, A); states, actions and targets have shape (B,)."""
    ### BEGIN SOLUTION
    total = torch.zeros_like(action_values).index_put_((states, actions), targets, accumulate=True)
    ones = torch.ones_like(targets)
    visits = torch.zeros_like(action_values).index_put_((states, actions), ones, accumulate=True)
    error = torch.where(visits > 0, total / visits.clamp(min=1) - action_values, 0.0)
    return action_values + learning_rate * error
    ### END SOLUTION


# %% check="update_table" points=2
check("update_table", update_table)

# %% check="update_table" points=2 hidden=true
check("update_table", update_table, hidden=True)

# %% [markdown]
# ### 6 Look n steps ahead · 3 points · difficulty 4 · about 30 minutes
#
# Between the one-step target and the whole return lie the n-step returns. For a recorded sequence of T steps of one
# environment, which may hold several episodes:
#
# $$G^{(n)}_t = r_t + \gamma r_{t+1} + \dots + \gamma^{n-1} r_{t+n-1} + \gamma^n V(s_{t+n})$$
#
# The sum stops early where the episode ends: at a termination nothing is added after its reward; at a truncation, and
# at the last recorded step, the value of the state that was reached there is added with its power of the discount.
# `next_values[t]` is $V$ of the state in which step $t$ arrived.
#
# By hand, with $\gamma = 0.5$, $n = 2$, rewards $(1, 1, 1)$, next values $(10, 10, 10)$, no ending:
# $G_0 = 1 + 0.5 + 0.25 \cdot 10 = 4$, the same for $G_1$, and the last step has only one reward: $G_2 = 1 + 0.5 \cdot 10 = 6$.
# If step 1 *terminated*: $G_0 = 1.5$ and $G_1 = 1$. If it was *truncated*: $G_0 = 4$ and $G_1 = 6$.
#
# <details><summary>Hint 1</summary>For each t walk forward, adding discounted rewards, until one of four things happens.</details>
# <details><summary>Hint 2</summary>The four: it terminated, it was truncated, n rewards are in, the recording ends.</details>
# <details><summary>Hint 3</summary>In the last three cases add the next value of that step, discounted once more.</details>


# %% answer="n_step_returns"
def n_step_returns(rewards, next_values, terminated, truncated, discount, n):
    """Returns, shape (T,)."""
    ### BEGIN SOLUTION
    returns = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        weight = 1.0
        for k in range(t, min(t + n, len(rewards))):
            returns[t] += weight * rewards[k]
            weight *= discount
            if terminated[k]:
                break
            if truncated[k] or k == t + n - 1 or k == len(rewards) - 1:
                returns[t] += weight * next_values[k]
                break
    return returns
    ### END SOLUTION


# %% check="n_step_returns" points=2
check("n_step_returns", n_step_returns)

# %% check="n_step_returns" points=1 hidden=true
check("n_step_returns", n_step_returns, hidden=True)

# %% [markdown]
# ### 7 A whole learner · 4 points · difficulty 4 · about 40 minutes
#
# Write Q-learning from the first step to the last, on any gymnasium environment with discrete states and actions, and
# return the table. The checks do not believe any reported score: they take your table, follow its greedy policy in a
# model of the environment, and compare with the exact optimum. They train three agents:
#
# - the *cliff*: `CliffWalking-v1`, wrapped with a limit of 200 steps; the best return is $-13$;
# - *stay or quit*: stay and earn 1, or quit, earn 30 and end the game; we watch for 10 steps at a time. Staying is worth
#   100, and a learner that takes our limit for an ending quits;
# - after you hand in, a *lake* that does not slip, where the only reward is at the goal.
#
# `num_steps` is 8,000. A learning rate of 0.5 and an epsilon of 0.1 to 0.2 solve all three. Keep the table in a NumPy array: a
# plain loop over it takes less than a second. Training is random: each check tries up to three seeds and passes if one
# of them works; a right answer fails all three less than once in a thousand.
#
# <details><summary>Hint 1</summary>`environment.reset(seed=seed)` once, `environment.reset()` after every episode.</details>
# <details><summary>Hint 2</summary>`step` returns five values: observation, reward, terminated, truncated, info. Which of the two flags
# ends the episode, and which one removes the future?</details>
# <details><summary>Hint 3</summary>Choose an action, step, build the target, move one cell, start anew if the episode is over.</details>


# %% answer="learn"
def learn(environment, discount, num_steps, seed):
    """The table of action values after num_steps steps, shape (S, A)."""
    ### BEGIN SOLUTION
    random = np.random.default_rng(seed)
    table = np.zeros((environment.observation_space.n, environment.action_space.n))
    state, _ = environment.reset(seed=seed)
    for _ in range(num_steps):
        if random.random() < 0.2:
            action = int(random.integers(table.shape[1]))
        else:
            action = int(random.choice(np.flatnonzero(table[state] == table[state].max())))
        following, reward, terminated, truncated, _ = environment.step(action)
        target = reward + (0.0 if terminated else discount * table[following].max())
        table[state, action] += 0.5 * (target - table[state, action])
        state = following
        if terminated or truncated:
            state, _ = environment.reset()
    return table
    ### END SOLUTION


# %% check="learn" points=2
check("learn", learn)

# %% check="learn" points=2 hidden=true
check("learn", learn, hidden=True)

# %% [markdown]
# ### 8 In your own words · 3 points · about 20 minutes
#
# On the cliff, SARSA earns more than Q-learning while both explore with $\varepsilon = 0.1$, although Q-learning's
# greedy policy is the better one. Explain how both can be true. What happens to each of the two methods as
# $\varepsilon$ falls to zero, and what would you deploy on a robot that goes on exploring?
#
# *Graded by hand:* 1 point for what each method's values are values of; 1 point for what happens as epsilon falls;
# 1 point for a choice with a reason that fits the robot.

# %% [markdown] written="cliff" points=3
# ### BEGIN SOLUTION
# SARSA's targets use the action that the exploring policy takes next, so its values are those of the exploring policy:
# beside the edge one step in forty is a random step over it, and the path along the edge looks bad. Q-learning's
# targets use the best next action, so its values are those of a greedy policy that never slips. It walks along the
# edge, which is best without exploration and costs about 100 every time exploration pushes it over.
#
# As epsilon falls to zero the exploring policy becomes the greedy one, and both methods come to the same values and the
# path of 13 steps, provided that every pair is still tried often enough while epsilon falls.
#
# A robot that goes on exploring is paid for what it does while exploring. Its values should count its own slips, so
# SARSA (or expected SARSA, with less variance) is the better choice; Q-learning fits if exploration stops at
# deployment or happens in a simulator.
# ### END SOLUTION
