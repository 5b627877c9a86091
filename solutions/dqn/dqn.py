# %% [markdown]
# # Deep Q-learning
#
# This assignment goes with the chapter *Deep Q-learning*. You write the parts that turn a table into a network: where
# the replay buffer writes, the target, double Q-learning, the loss, the copy of the network. Then you find bugs
# from what a broken agent has learned, and train a network with your own parts until it catches every ball.
#
# Seven exercises, 23 points, and a written answer of 3 points. About two and a half hours.
#
# **How a check reads.** After each answer comes a cell `check(...)`. It says of every check whether it passed, and if
# not, what was expected and what your function returned. If your function behaves like a mistake that many people
# make, it names the mistake. Of the 23 points, 8.5 come from checks that run after you hand in, on other inputs. An
# answer to exercise 2 that forgets that the game can end is told:
#
# ```
# td_target
#   failed   the same transition, but the episode has terminated           0 / 0.5
#            expected [1.0], got [5.5]
#            hint: what is there to earn after the end?
#            Your answer behaves like: bootstraps past the end.
#            Where the episode has terminated there is no next state, so nothing is added to the reward.
# ```
#
# **Shapes.** All functions take plain tensors, with B transitions in a batch and A actions:
#
# | name | shape | meaning |
# |---|---|---|
# | `reward` | (B,) | $r$ |
# | `action_values` | (B, A) | $Q(s, \cdot)$ of the network that learns |
# | `next_action_values` | (B, A) | $Q^-(s', \cdot)$ of the target network |
# | `actions` | (B,), int64 | the action that was taken, $a$ |
# | `terminated` | (B,), bool | $d$: the world ended the episode with this step |
# | `discount` | number | $\gamma$ in [0, 1) |

# %% locked=true
from autograder import exam

check = exam("dqn")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 Where the replay buffer writes · 3 points · difficulty 2 · about 15 minutes
#
# A replay buffer is a table of `capacity` rows, and a ring: when it is full, the newest transition takes the place of
# the oldest. Transition number $n$ (counted from 0) stands in row $n \bmod \text{capacity}$. You are told how many were
# written before, and that `batch_size` new ones arrive, at most `capacity` of them. Return three things:
#
# - the rows they are written to, in order, shape (B,), integers;
# - how many have been written now, all in all;
# - how many rows hold a transition now. Sampling may draw from these, and from no others.
#
# By hand: with 5 rows, 3 written before and 4 that arrive, the rows are 3, 4, 0, 1; then 7 have been written, and all 5
# rows hold something.
#
# <details><summary>Hint 1</summary>Which numbers do the new transitions have? The first has the number of those written before.</details>
# <details><summary>Hint 2</summary>The remainder turns numbers into rows; count without it.</details>
# <details><summary>Hint 3</summary>`torch.arange(...)` for the numbers, `%` for the rows, `min` for the rows that hold something.</details>


# %% answer="replay_write"
def replay_write(capacity, num_written, batch_size):
    """Rows to write to, shape (B,); number written now; number of rows that hold a transition."""
    ### BEGIN SOLUTION
    rows = (num_written + torch.arange(batch_size)) % capacity
    num_written = num_written + batch_size
    return rows, num_written, min(num_written, capacity)
    ### END SOLUTION


# %% check="replay_write" points=2
check("replay_write", replay_write)

# %% check="replay_write" points=1 hidden=true
check("replay_write", replay_write, hidden=True)

# %% [markdown]
# ### 2 The target · 3 points · difficulty 2 · about 15 minutes
#
# The network is moved towards
#
# $$y = r + \gamma \,(1 - d)\, \max_{a'} Q^-(s', a'),$$
#
# where $Q^-$ is the target network and $d$ is 1 only if the step terminated the episode. The target is treated as a given number: only the prediction is moved, so no
# gradient may flow back into `next_action_values`. An episode that was *cut off* by a step limit has not terminated:
# its $d$ is 0, and its target is like any other.
#
# By hand: with $r = 1$, next values $(5, 9)$ and $\gamma = 0.5$ the target is $1 + 0.5 \cdot 9 = 5.5$. Had the episode
# terminated, it would be 1.
#
# <details><summary>Hint 1</summary>The maximum is over actions: the last axis.</details>
# <details><summary>Hint 2</summary>`~terminated` is true where the future counts, and behaves like 1 and 0 in a product.</details>
# <details><summary>Hint 3</summary>`.detach()` gives the same numbers without their history.</details>


# %% answer="td_target"
def td_target(reward, next_action_values, terminated, discount):
    """Targets, shape (B,), through which no gradient flows."""
    ### BEGIN SOLUTION
    best = next_action_values.detach().amax(dim=-1)
    return reward + discount * ~terminated * best
    ### END SOLUTION


# %% check="td_target" points=2
check("td_target", td_target)

# %% check="td_target" points=1 hidden=true
check("td_target", td_target, hidden=True)

# %% [markdown]
# ### 3 Two networks that disagree · 4 points · difficulty 3 · about 20 minutes
#
# The largest of several noisy estimates is too large on average. Double Q-learning lets one network choose the action
# and another say what it is worth:
#
# $$y = r + \gamma \,(1 - d)\, Q_2\big(s', \arg\max_{a'} Q_1(s', a')\big)$$
#
# In DQN, $Q_1$ (`selecting_action_values`) is the network that learns and $Q_2$ (`evaluating_action_values`) the target
# network. No gradient flows through the target.
#
# By hand: $r = 1$, $\gamma = 0.5$, $Q_1 = (2, 3, 0)$ and $Q_2 = (8, 4, 6)$. The first network chooses action 1, the
# second says that it is worth 4, and the target is $1 + 0.5 \cdot 4 = 3$.
#
# <details><summary>Hint 1</summary>First find the action for each row, then look up its value in the other table.</details>
# <details><summary>Hint 2</summary>`gather(-1, index)` looks up one entry in each row; the index needs as many axes as the table.</details>
# <details><summary>Hint 3</summary>`argmax(dim=-1, keepdim=True)`, then `gather`, then `squeeze(-1)`.</details>


# %% answer="double_q_target"
def double_q_target(reward, selecting_action_values, evaluating_action_values, terminated, discount):
    """Targets of double Q-learning, shape (B,), through which no gradient flows."""
    ### BEGIN SOLUTION
    chosen = selecting_action_values.argmax(dim=-1, keepdim=True)
    value = evaluating_action_values.detach().gather(-1, chosen).squeeze(-1)
    return reward + discount * ~terminated * value
    ### END SOLUTION


# %% check="double_q_target" points=2
check("double_q_target", double_q_target)

# %% check="double_q_target" points=2 hidden=true
check("double_q_target", double_q_target, hidden=True)

# %% [markdown]
# ### 4 The loss · 4 points · difficulty 3 · about 25 minutes
#
# The error of a transition is $e = Q(s, a) - y$, for the action that was taken and no other. The Huber loss with
# threshold $\kappa$ is
#
# $$\ell(e) = \begin{cases} \tfrac12 e^2 & |e| \le \kappa \\ \kappa \,(|e| - \tfrac12 \kappa) & |e| > \kappa \end{cases}$$
#
# Its slope is $e$, but in size never more than $\kappa$: one transition with a huge error does not throw the network off, and
# still pulls. Return one loss for each transition, not their mean.
#
# By hand, with $\kappa = 1$: values $(0, 3)$, action 1 and target $2.5$ give $e = 0.5$ and $\ell = 0.125$. With action 0,
# $e = -2.5$ and $\ell = 1 \cdot (2.5 - 0.5) = 2$.
#
# <details><summary>Hint 1</summary>Pick the values of the actions taken: `gather`, as in the exercise before. Look at the shape of the result.</details>
# <details><summary>Hint 2</summary>`torch.where(condition, here, there)` chooses between two tensors, entry by entry.</details>
# <details><summary>Hint 3</summary>Of the functions of PyTorch, one is this loss and one is this loss divided by the threshold.</details>


# %% answer="dqn_loss"
def dqn_loss(action_values, actions, targets, threshold):
    """Huber loss of each transition, shape (B,)."""
    ### BEGIN SOLUTION
    predictions = action_values.gather(-1, actions[:, None]).squeeze(-1)
    error = (predictions - targets).abs()
    return torch.where(error <= threshold, 0.5 * error**2, threshold * (error - 0.5 * threshold))
    ### END SOLUTION


# %% check="dqn_loss" points=2
check("dqn_loss", dqn_loss)

# %% check="dqn_loss" points=2 hidden=true
check("dqn_loss", dqn_loss, hidden=True)

# %% [markdown]
# ### 5 The target network follows · 3 points · difficulty 2 · about 10 minutes
#
# The target network follows the one that learns ("online") at a distance. For each tensor of parameters,
#
# $$\theta^- \leftarrow (1 - \tau)\, \theta^- + \tau\, \theta .$$
#
# A rate $\tau = 1$ copies the network (a *hard* update), $\tau = 0$ leaves the target as it is. Return new tensors, in a
# list, and leave both lists that you are given unchanged.
#
# By hand: a target weight of 2, an online weight of 10 and a rate of 0.25 give $0.75 \cdot 2 + 0.25 \cdot 10 = 4$.
#
# <details><summary>Hint 1</summary>Which network should move, and how far, if the rate is 0.01?</details>
# <details><summary>Hint 2</summary>`zip(target_parameters, online_parameters)` goes through both lists together.</details>
# <details><summary>Hint 3</summary>Functions that end in an underscore, and `+=`, change a tensor in place.</details>


# %% answer="soft_update"
def soft_update(target_parameters, online_parameters, rate):
    """New parameters of the target network: a list of tensors like those given."""
    ### BEGIN SOLUTION
    pairs = zip(target_parameters, online_parameters, strict=True)
    return [(1 - rate) * target + rate * online for target, online in pairs]
    ### END SOLUTION


# %% check="soft_update" points=2
check("soft_update", soft_update)

# %% check="soft_update" points=1 hidden=true
check("soft_update", soft_update, hidden=True)

# %% [markdown]
# ### 6 Find the bug · 3 points · difficulty 3 · about 30 minutes
#
# A broken agent does not crash, it learns badly. *Probe environments* are so small that everything the agent should
# learn is known, and each needs one part more than the one before:
#
# | probe | what happens | it should learn $Q$ |
# |---|---|---|
# | `constant` | one action, one step, reward 1 | $[1]$ |
# | `observation` | one action, one step; the observation is −1 or +1, and so is the reward | $[-1, 1]$: observation −1, then +1 |
# | `delay` | one action, two steps with different observations; reward 0, then 1 | $[\gamma, 1]$: first step, then second |
# | `action` | two actions, one step; action 0 earns −1, action 1 earns +1 | $[-1, 1]$ |
# | `both` | observation −1 or +1, two actions; +1 if they fit (−1 with action 0, +1 with action 1), else −1 | $[1, -1, -1, 1]$: both actions at −1, then at +1 |
#
# A part that is broken breaks every probe that needs it. So the **first** probe that fails, in this order, tells what is
# broken, and where two bugs break the same probe, the values do. Here is where five broken agents end up (worked out, at
# $\gamma = 0.9$, not measured):
#
# | the bug | constant | observation | delay | action | both |
# |---|---|---|---|---|---|
# | bootstraps past the end | **[10]** | [−10, 10] | [9, 10] | [8, 10] | [10, 8, 8, 10] |
# | loss or optimiser | **[0.1]** | [0.1, −0.2] | [0, 0.3] | [0.1, 0] | [0, 0.2, 0.1, −0.1] |
# | observation not used | [1] | **[0, 0]** | [0.91, 0.91] | [−1, 1] | [0, 0, 0, 0] |
# | forgets the discount | [1] | [−1, 1] | **[1, 1]** | [−1, 1] | [1, −1, −1, 1] |
# | actions mixed up | [1] | [−1, 1] | [0.9, 1] | **[0, 0]** | [0, 0, 0, 0] |
#
# Why 10? If the end does not stop the sum, a reward of 1 is followed by another, and another: $1 + \gamma + \gamma^2 +
# \dots = 1/(1 - \gamma)$.
#
# Write the function that reads such a table. A probe **passes** if all its values are within `tolerance` of what they
# should be; a value that is not a number (NaN) is not. The answers, by the first probe that fails:
#
# - `constant`: `"bootstraps past the end"` if the value is within `tolerance` of $1/(1 - \gamma)$, else `"loss or optimiser"`;
# - `observation`: `"observation not used"`;
# - `delay`: `"forgets the discount"` if the first value is within `tolerance` of 1, else `"no bootstrapping"`;
# - `action`: `"actions mixed up"`;
# - `both`: `"observation and action not combined"`;
# - no probe fails: `"no bug found"`.
#
# <details><summary>Hint 1</summary>First write down what each probe should have learned, with the discount that is given.</details>
# <details><summary>Hint 2</summary>Go through the probes in order and return at the first that does not pass. Is "not within" the same as "further away" if the value is NaN?</details>
# <details><summary>Hint 3</summary>A small function `near(values, expected)` that is true if all differences are, without their sign, at most the tolerance; then five `if not near(...)`.</details>


# %% answer="diagnose"
def diagnose(learned, discount, tolerance):
    """The name of the bug; `learned` is a dictionary from the name of each probe to a list of numbers."""
    ### BEGIN SOLUTION

    def near(values, expected):
        return all(abs(value - due) <= tolerance for value, due in zip(values, expected, strict=True))

    if not near(learned["constant"], [1]):
        endless = near(learned["constant"], [1 / (1 - discount)])
        return "bootstraps past the end" if endless else "loss or optimiser"
    if not near(learned["observation"], [-1, 1]):
        return "observation not used"
    if not near(learned["delay"], [discount, 1]):
        return "forgets the discount" if near(learned["delay"][:1], [1]) else "no bootstrapping"
    if not near(learned["action"], [-1, 1]):
        return "actions mixed up"
    if not near(learned["both"], [1, -1, -1, 1]):
        return "observation and action not combined"
    return "no bug found"
    ### END SOLUTION


# %% check="diagnose" points=2
check("diagnose", diagnose)

# %% check="diagnose" points=1 hidden=true
check("diagnose", diagnose, hidden=True)

# %% [markdown]
# ### 7 Train a network that catches · 3 points · difficulty 3 · about 30 minutes
#
# *Catch* has 10 rows and 5 columns. A ball falls one row a step, from a random column of the top row; the paddle starts in
# the middle of the bottom row and moves left (action 0), not at all (1) or right (2). When the ball arrives, the episode
# terminates with reward +1 if the paddle is there, −1 if not. The network sees 50 numbers, one for each cell: 1 at the
# ball and at the paddle, else 0.
#
# `rlkit.deep_q_learning.train(environment, config, target=..., loss=...)` does the loop: it plays, fills the buffer, draws
# 64 transitions a step, and calls your functions. In `rlkit` all tensors have one axis more, in front, for several seeds
# that are trained at once, and the value of the action has been looked up when the loss is called. The next cell fits
# your functions to that.
#
# Write `train_catch(num_steps, seed)`: make `Catch((1, 4), seed=seed, device="cpu")`, which is one seed with 4
# environments (a network this small needs no GPU); train on it with
# `DeepQConfig(num_steps=num_steps, seed=seed)`, with your target and your loss; and return the parameters of the network,
# `result.network.export(0)`: a list of plain tensors `[W1, b1, W2, b2, ...]`, with ReLU between the layers.
#
# The check trains for 4,000 steps, plays all five balls with your network, and compares its values with the true ones:
# with $r$ rows left to fall, a ball that will be caught is worth $0.99^{r-1}$. By hand: in the last row but one, that is
# $0.99^0 = 1$, and at the top, with 9 rows to fall, $0.99^8 = 0.92$. The check takes about seven seconds, and up to
# twenty if it has to try two more seeds.
#
# If an exercise above is not finished, leave `target=` or `loss=` out: `rlkit` then uses its own, and this
# exercise counts all the same.
#
# <details><summary>Hint 1</summary>Four lines: environment, settings, training, result. `rlkit.environments.Catch`, `rlkit.deep_q_learning.DeepQConfig`.</details>
# <details><summary>Hint 2</summary>Pass the functions of the next cell, without calling them: `target=my_target`.</details>
# <details><summary>Hint 3</summary>If all balls are caught but the values are too high, ask exercise 6 what that means.</details>

# %%
from rlkit.deep_q_learning import DeepQConfig, train
from rlkit.environments import Catch


def my_target(reward, selecting_action_values, evaluating_action_values, terminated, discount):
    """Your double target for shapes (1, B) and (1, B, A)."""
    given = (reward[0], selecting_action_values[0], evaluating_action_values[0], terminated[0])
    return double_q_target(*given, discount)[None]


def my_loss(prediction, target):
    """Your loss for values of shape (1, B) that have been looked up: one action each, number 0."""
    actions = torch.zeros(prediction.numel(), dtype=torch.int64)
    return dqn_loss(prediction.reshape(-1, 1), actions, target.reshape(-1), 1.0)[None]


# %% answer="train_catch"
def train_catch(num_steps, seed):
    """Parameters of a trained network, [W1 (50, h), b1 (h,), ...]; the same seed gives the same network."""
    ### BEGIN SOLUTION
    environment = Catch((1, 4), seed=seed, device="cpu")
    config = DeepQConfig(num_steps=num_steps, seed=seed)
    result = train(environment, config, target=my_target, loss=my_loss)
    return result.network.export(0)
    ### END SOLUTION


# %% check="train_catch" points=2.5
check("train_catch", train_catch)

# %% check="train_catch" points=0.5 hidden=true
check("train_catch", train_catch, hidden=True)

# %% [markdown]
# What does your network think a ball is worth while it falls? (This cell is not graded; it needs a finished
# `train_catch`.) The grey line is the truth. Try it with a target that forgets `terminated`: the network may still catch every ball.

# %%
import matplotlib.pyplot as plt

from rlkit.networks import apply_network
from rlkit.plotting import use_course_style

use_course_style()
try:
    network = train_catch(4_000, seed=1)
    rows = range(9)
    for ball in range(5):
        paddle, worth = 2, []
        for row in rows:
            board = torch.zeros(50)
            board[5 * row + ball] = board[45 + paddle] = 1
            values = apply_network(network, board)
            worth.append(float(values.max()))
            paddle = min(max(paddle + int(values.argmax()) - 1, 0), 4)
        plt.plot(rows, worth, label=f"ball in column {ball}: {'caught' if paddle == ball else 'missed'}")
    plt.plot(rows, [0.99 ** (8 - row) for row in rows], color="grey", linewidth=3, alpha=0.5, label="truth")
    plt.xlabel("row of the ball")
    plt.ylabel("largest action value")
    plt.legend()
    plt.show()
except NotImplementedError:
    print("The figure appears here when train_catch is written.")

# %% [markdown]
# ### 8 In your own words · 3 points · about 25 minutes
#
# A colleague trains DQN on Catch without a target network and with a discount of 0.99. Rewards are −1, 0 or +1, and only
# the last one of an episode is not 0. The log (made up for this exercise) says:
#
# | step | mean return of 100 episodes | mean of the largest action value | loss |
# |---|---|---|---|
# | 1,000 | −0.6 | 0.3 | 0.02 |
# | 2,000 | −0.2 | 2.1 | 0.04 |
# | 3,000 | 0.1 | 9.7 | 0.31 |
# | 4,000 | −0.5 | 38 | 2.4 |
#
# "The values rise, so it is learning. It needs more steps." Explain why the log says otherwise. Name the three parts of
# the *deadly triad* and where each of them is in this agent. Then propose one run that decides between two
# explanations, *the values chase themselves because there is no target network* and *the target bootstraps past the
# end*, and say what each of them predicts for it.
#
# *Graded by hand:* 1 point for a bound on the true values and for what it says about the log; 1 point for the three
# parts, each with its place in the agent; 1 point for a run whose outcome differs between the two explanations, with
# both predictions.

# %% [markdown] written="deadly_triad" points=3
# ### BEGIN SOLUTION
# An episode pays once, at most 1, so no true action value is above 1. A mean of 2.1 is already impossible, and 38 is
# not knowledge about the game. The return does not follow the values (it falls again), and the loss grows a
# hundredfold: the predictions are moving away from their own targets. More steps will make it worse.
#
# The triad. *Function approximation*: one network serves all boards, so that an update of one board also moves the
# values of the next one, from which its target is built. *Bootstrapping*: the target contains the network's own estimate
# of the next board. *Off-policy learning*: the maximum in the target belongs to the greedy policy, while the transitions
# come from the buffer, made by ε-greedy policies of older networks; boards whose values are too high need not be visited.
#
# A run that decides: the same agent, still without a target network, on the probe `constant`, where every step earns 1 and
# ends the episode. If the target handles the end, nothing is bootstrapped there: every target is 1, and the value settles
# at 1, whatever the network chases elsewhere. If it bootstraps past the end, the target is 1 + 0.99 Q, and the value climbs
# towards 1/(1 − 0.99) = 100. (Another run that decides: Catch again with a target network and nothing else changed. If
# the missing network was to blame, the values come down to about 1; if the end is ignored, they stay above 1, even where
# every ball is caught.)
# ### END SOLUTION
