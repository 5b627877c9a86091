# %% [markdown]
# # Warm-up
#
# This assignment goes with the chapter *What is reinforcement learning?*. You run an episode, add up rewards, choose
# between exploring and exploiting, and learn to read a check that fails.
#
# Six exercises, 18 points, and a written answer of 4 points. About an hour and a half.
#
# **How a check reads.** After each answer comes a cell `check(...)`. Run it before you write anything: it says
# *not answered yet*. Then write your answer in place of `raise NotImplementedError()`, run both cells, and read: of every
# check it says whether it passed, and if not, what was expected and what your function returned. If your function behaves
# like a mistake that many people make, it names the mistake and gives a hint. Part of the points come from checks that
# run after you hand in, on other inputs.
#
# Before you hand in: *Kernel → Restart and run all*. A notebook that works only because of a cell you have since changed
# will not work for the grader.

# %% locked=true
from autograder import exam

check = exam("warm_up")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 Run an episode · 4 points · difficulty 2 · about 20 minutes
#
# `environment.reset(seed=...)` returns two values, the first observation and a dictionary. `environment.step(action)`
# returns five: observation, reward, terminated, truncated and a dictionary. An episode is over as soon as one of the two
# flags is true: *terminated* if the world ended it, *truncated* if a limit did.
#
# Reset the environment with the seed, take the given actions in order, and stop as soon as the episode is over (the list
# may be longer than the episode) or the actions are used up. Return the list of rewards and the two flags of the last step.
#
# By hand: on a frozen lake that is not slippery, actions down, down, right (1, 1, 2) earn `[0, 0, 0]` and end nothing.
#
# <details><summary>Hint 1</summary>Unpack five values from every step.</details>
# <details><summary>Hint 2</summary>Which flag ends the loop? Either.</details>
# <details><summary>Hint 3</summary>for action in actions: step, append the reward, leave the loop if terminated or truncated.</details>


# %% answer="run_episode"
def run_episode(environment, actions, seed):
    """Rewards (a list), terminated and truncated (of the last step)."""
    ### BEGIN SOLUTION
    environment.reset(seed=seed)
    rewards, terminated, truncated = [], False, False
    for action in actions:
        _, reward, terminated, truncated, _ = environment.step(action)
        rewards.append(reward)
        if terminated or truncated:
            break
    return rewards, terminated, truncated
    ### END SOLUTION


# %% check="run_episode" points=2
check("run_episode", run_episode)

# %% check="run_episode" points=2 hidden=true
check("run_episode", run_episode, hidden=True)

# %% [markdown]
# ### 2 The return · 3 points · difficulty 1 · about 10 minutes
#
# Return the return of an episode, its rewards added up, each discounted once for every step before it:
#
# $$G_0 = r_0 + \gamma r_1 + \gamma^2 r_2 + \dots$$
#
# By hand: rewards $(1, 0, 4)$ at $\gamma = 0.5$ give $1 + 0 + 0.25 \cdot 4 = 2$.
#
# <details><summary>Hint 1</summary>The first reward is not discounted.</details>
# <details><summary>Hint 2</summary>Either weights γ⁰, γ¹, γ², … and one sum, or a loop from the end: G = r + γ G.</details>
# <details><summary>Hint 3</summary>`discount ** torch.arange(len(rewards))` gives the weights.</details>


# %% answer="discounted_return"
def discounted_return(rewards, discount):
    """The return of a sequence of rewards, shape (T,): one number."""
    ### BEGIN SOLUTION
    value = torch.zeros((), dtype=rewards.dtype)
    for reward in reversed(rewards):
        value = reward + discount * value
    return value
    ### END SOLUTION


# %% check="discounted_return" points=2
check("discounted_return", discounted_return)

# %% check="discounted_return" points=1 hidden=true
check("discounted_return", discounted_return, hidden=True)

# %% [markdown]
# ### 3 The return from every step on · 3 points · difficulty 2 · about 15 minutes
#
# $G_t = r_t + \gamma G_{t+1}$, and after the last reward there is nothing: $G_T = 0$. Read from the end, every return
# costs one multiplication.
#
# By hand: rewards $(1, 0, 4)$ at $\gamma = 0.5$ give $G_2 = 4$, $G_1 = 0 + 0.5 \cdot 4 = 2$, $G_0 = 1 + 0.5 \cdot 2 = 2$.
#
# <details><summary>Hint 1</summary>Fill the result from its last entry to its first.</details>
# <details><summary>Hint 2</summary>Keep the return of the step after in a variable that starts at 0.</details>
# <details><summary>Hint 3</summary>`for t in reversed(range(len(rewards)))`.</details>


# %% answer="returns_to_go"
def returns_to_go(rewards, discount):
    """All returns G_0 ... G_{T-1}, shape (T,), for rewards of shape (T,)."""
    ### BEGIN SOLUTION
    returns = torch.zeros_like(rewards)
    following = 0.0
    for t in reversed(range(len(rewards))):
        following = rewards[t] + discount * following
        returns[t] = following
    return returns
    ### END SOLUTION


# %% check="returns_to_go" points=2
check("returns_to_go", returns_to_go)

# %% check="returns_to_go" points=1 hidden=true
check("returns_to_go", returns_to_go, hidden=True)

# %% [markdown]
# ### 4 Explore a little · 4 points · difficulty 3 · about 20 minutes
#
# An ε-greedy choice draws an action from *all* A actions with probability ε, and otherwise takes the best one. Return the
# probability of every action. Tied best actions share the greedy part equally. The input may have leading axes: each row of
# the last axis is a separate choice.
#
# By hand: four actions, ε = 0.2. Each gets 0.05 from exploring, and the best one 0.8 more: 0.85.
#
# <details><summary>Hint 1</summary>Can exploring draw the best action as well?</details>
# <details><summary>Hint 2</summary>Mark the entries that equal the largest of their row, and divide by how many there are.</details>
# <details><summary>Hint 3</summary>(1 − ε) times the greedy part plus ε / A everywhere.</details>


# %% answer="action_probabilities"
def action_probabilities(action_values, epsilon):
    """Probabilities, shape (..., A), of an ε-greedy choice among values of shape (..., A)."""
    ### BEGIN SOLUTION
    best = action_values == action_values.amax(dim=-1, keepdim=True)
    greedy = best.to(action_values.dtype) / best.sum(dim=-1, keepdim=True)
    return (1 - epsilon) * greedy + epsilon / action_values.shape[-1]
    ### END SOLUTION


# %% check="action_probabilities" points=2
check("action_probabilities", action_probabilities)

# %% check="action_probabilities" points=2 hidden=true
check("action_probabilities", action_probabilities, hidden=True)

# %% [markdown]
# ### 5 A mean that learns · 2 points · difficulty 2 · about 10 minutes
#
# A bandit player keeps, for every arm, the mean of what it has paid. The mean of $n + 1$ rewards follows from the mean of the
# first $n$ without looking at them again:
#
# $$Q_{n+1} = Q_n + \frac{1}{n + 1} [\, r - Q_n \,]$$
#
# By hand: the mean of two rewards is 3, and the next reward is 6. The new mean is $3 + \tfrac13 (6 - 3) = 4$.
#
# <details><summary>Hint 1</summary>`count` is the number of rewards before the new one.</details>
# <details><summary>Hint 2</summary>The first reward replaces the mean, whatever it was.</details>
# <details><summary>Hint 3</summary>mean + (reward − mean) / (count + 1).</details>


# %% answer="update_mean"
def update_mean(mean, count, reward):
    """The mean of count + 1 rewards; all three are numbers or tensors of one shape."""
    ### BEGIN SOLUTION
    return mean + (reward - mean) / (count + 1)
    ### END SOLUTION


# %% check="update_mean" points=1
check("update_mean", update_mean)

# %% check="update_mean" points=1 hidden=true
check("update_mean", update_mean, hidden=True)

# %% [markdown]
# ### 6 Read a check that fails · 2 points · difficulty 2 · about 10 minutes
#
# This function is finished, and wrong. It should return the fraction of pulls on which the best arm was chosen, one number
# per seed. Run the check, read what was expected and what came, and repair the function.
#
# `choices` has shape (K, T): the arm that was pulled, for each of K seeds and T steps. `means` has shape (A,).
#
# <details><summary>Hint 1</summary>What is the shape of the result, and what should it be?</details>
# <details><summary>Hint 2</summary>The mean should be over steps, not over seeds.</details>
# <details><summary>Hint 3</summary>And is the best arm the one with the largest mean?</details>


# %% answer="fraction_of_best"
def fraction_of_best(choices, means):
    """Fraction of steps on which the best arm was pulled, shape (K,)."""
    best = means.argmin()
    fractions = (choices == best).double().mean(dim=0)
    ### BEGIN SOLUTION
    best = means.argmax()
    fractions = (choices == best).double().mean(dim=1)
    ### END SOLUTION
    return fractions


# %% check="fraction_of_best" points=1
check("fraction_of_best", fraction_of_best)

# %% check="fraction_of_best" points=1 hidden=true
check("fraction_of_best", fraction_of_best, hidden=True)

# %% [markdown]
# ### 7 In your own words · 4 points · about 20 minutes
#
# Choose a task that you know and model it as a reinforcement learning problem. Say who the agent is and what the environment,
# what the agent observes, which actions it has, which reward it gets and when an episode ends. Then name one way in which an
# agent could earn much of your reward without doing what you want.
#
# *Graded by hand:* 1 point for agent, environment and actions that fit each other; 1 point for an observation that the
# agent could really have; 1 point for a reward as a rule that could be computed, with the end of the episode; 1 point for a
# behaviour that the reward pays for although it is not wanted.

# %% [markdown] written="own_task" points=4
# ### BEGIN SOLUTION
# Agent: a thermostat. Environment: the room, the weather and the people in it. It observes the temperature, the time and
# the outdoor temperature, every ten minutes. Actions: heating off, half, full. Reward: minus the price of the energy used,
# minus 1 for each degree outside 19 to 22 °C while somebody is at home. An episode is one day and ends at midnight; the
# room goes on existing, so the end is a truncation. An unwanted way to earn: switch the heating off shortly before midnight,
# since what is saved counts in this episode and the cold morning in the next, or detect "nobody at home" wrongly and
# never heat.
# ### END SOLUTION
