# %% [markdown]
# # Markov decision processes
#
# This assignment goes with the chapter *Markov decision processes*. You build a slippery gridworld as tensors, refuse
# numbers that are no MDP, find out where a policy goes, and sample from it.
#
# Seven exercises, 24 points, and a written answer of 4 points. About two and a half hours.
#
# After each answer comes a cell `check(...)`: it says what was expected and what your function returned, and names the
# mistake if it is a common one. Further checks run after you hand in, on other inputs.
#
# **Shapes.** S states, A actions; tensors are of type float64.
#
# | name | shape | meaning |
# |---|---|---|
# | `transition_probabilities` | (S, A, S) | $P(s' \mid s, a)$: the last axis is the next state |
# | `transition_rewards` | (S, A, S) | $R(s, a, s')$ |
# | `rewards` | (S, A) | $r(s, a)$, the expected reward |
# | `policy` | (S, A) | $\pi(a \mid s)$ |
# | `initial_distribution` | (S,) | $\mu(s)$ |

# %% locked=true
from autograder import exam

check = exam("mdp")

# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ### 1 A slippery grid as a tensor · 5 points · difficulty 4 · about 35 minutes
#
# A map is a list of strings: `.` is free, `S` the start (free as well), `#` a wall, `G` a goal and `P` a pit. The states
# are the cells that are not walls, in reading order. Actions are 0 up, 1 right, 2 down, 3 left. With slip $\sigma$ the
# intended direction happens with probability $1 - \sigma$, and each direction perpendicular to it with $\sigma / 2$. A step
# into a wall or over the edge leaves the agent where it is. Goals and pits are absorbing: every action stays there.
#
# By hand, on the map `["..", ".G"]` with $\sigma = 0.2$: from cell 0, action right reaches cell 1 with probability
# $0.8$, slips down to cell 2 with $0.1$, and slips up into the edge with $0.1$, which means it stays in cell 0.
#
# <details><summary>Hint 1</summary>First make a dictionary from (row, column) to the number of the state.</details>
# <details><summary>Hint 2</summary>The perpendicular directions of action a are (a + 1) % 4 and (a − 1) % 4.</details>
# <details><summary>Hint 3</summary>Add to an entry with +=: two directions can end in the same cell.</details>


# %% answer="slippery_transitions"
def slippery_transitions(rows, slip):
    """Transition probabilities of a map, shape (S, 4, S)."""
    moves = [(-1, 0), (0, 1), (1, 0), (0, -1)]
    ### BEGIN SOLUTION
    cells = [(i, j) for i, row in enumerate(rows) for j, letter in enumerate(row) if letter != "#"]
    number = {cell: state for state, cell in enumerate(cells)}
    result = torch.zeros(len(cells), 4, len(cells), dtype=torch.float64)
    for (i, j), state in number.items():
        for action in range(4):
            if rows[i][j] in "GP":
                result[state, action, state] = 1
                continue
            for direction, chance in ((action, 1 - slip), ((action + 1) % 4, slip / 2), ((action - 1) % 4, slip / 2)):
                there = (i + moves[direction][0], j + moves[direction][1])
                result[state, action, number.get(there, state)] += chance
    return result
    ### END SOLUTION


# %% check="slippery_transitions" points=3
check("slippery_transitions", slippery_transitions)

# %% check="slippery_transitions" points=2 hidden=true
check("slippery_transitions", slippery_transitions, hidden=True)

# %% [markdown]
# ### 2 The expected reward · 2 points · difficulty 1 · about 10 minutes
#
# Rewards are often written for a transition, $R(s, a, s')$. Planning needs only their expectation,
# $r(s, a) = \sum_{s'} P(s' \mid s, a) R(s, a, s')$.
#
# By hand: a step that earns 1 with probability 0.8 and −1 with probability 0.2 earns $0.8 - 0.2 = 0.6$ on average.
#
# <details><summary>Hint 1</summary>Two tensors of the same shape; one axis disappears.</details>
# <details><summary>Hint 2</summary>Multiply entry by entry, then sum over the next state.</details>
# <details><summary>Hint 3</summary>The next state is the last axis.</details>


# %% answer="expected_rewards"
def expected_rewards(transition_probabilities, transition_rewards):
    """Expected rewards, shape (S, A)."""
    ### BEGIN SOLUTION
    return (transition_probabilities * transition_rewards).sum(dim=2)
    ### END SOLUTION


# %% check="expected_rewards" points=1
check("expected_rewards", expected_rewards)

# %% check="expected_rewards" points=1 hidden=true
check("expected_rewards", expected_rewards, hidden=True)

# %% [markdown]
# ### 3 Refuse what is no MDP · 4 points · difficulty 3 · about 25 minutes
#
# A wrong number in P gives wrong values much later, without any error. So check it where it enters. Raise `ValueError` if
#
# - the shapes are not (S, A, S) and (S, A), with the same S and A;
# - a probability is negative or not a number (NaN);
# - a row $P(\cdot \mid s, a)$ does not sum to 1 within 1e-6: the message must contain the state, the action and the sum,
#   for example `state 1, action 0: probabilities sum to 0.98, expected 1`;
# - a reward is NaN or infinite;
# - the discount is not in [0, 1].
#
# Return nothing if all is well.
#
# <details><summary>Hint 1</summary>NaN is unequal to everything and every comparison with it is false; see `torch.isfinite`.</details>
# <details><summary>Hint 2</summary>`not 0 <= discount <= 1` is also true for NaN.</details>
# <details><summary>Hint 3</summary>`(mask).nonzero()[0]` gives the first place where a mask is true.</details>


# %% answer="validate_mdp"
def validate_mdp(transition_probabilities, rewards, discount):
    """Raise ValueError, naming the fault, unless the numbers are an MDP."""
    ### BEGIN SOLUTION
    P, r = transition_probabilities, rewards
    if P.ndim != 3 or P.shape[0] != P.shape[2]:
        raise ValueError(f"transition_probabilities has shape {tuple(P.shape)}, expected (S, A, S)")
    if r.shape != P.shape[:2]:
        raise ValueError(f"rewards has shape {tuple(r.shape)}, expected {tuple(P.shape[:2])}")
    if not torch.isfinite(P).all() or (P < 0).any():
        raise ValueError("transition_probabilities has entries that are negative or not a number")
    sums = P.sum(dim=2)
    wrong = (sums - 1).abs() > 1e-6
    if wrong.any():
        s, a = wrong.nonzero()[0].tolist()
        raise ValueError(f"state {s}, action {a}: probabilities sum to {sums[s, a].item():.6g}, expected 1")
    if not torch.isfinite(r).all():
        raise ValueError("rewards has entries that are not finite")
    if not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount}, expected a number in [0, 1]")
    ### END SOLUTION


# %% check="validate_mdp" points=2
check("validate_mdp", validate_mdp)

# %% check="validate_mdp" points=2 hidden=true
check("validate_mdp", validate_mdp, hidden=True)

# %% [markdown]
# ### 4 Terminal states as absorbing states · 3 points · difficulty 2 · about 15 minutes
#
# An MDP in tensors has no "end". An episode that has ended is a state that every action leaves unchanged, at reward 0.
# Given tables and a boolean mask `terminal` of shape (S,), return new tables in which the marked states are absorbing.
# Leave the tables that you were given as they are.
#
# By hand: a goal that pays 1 for arriving must not pay again for staying; at $\gamma = 0.9$ it would be worth 10, not 0.
#
# <details><summary>Hint 1</summary>`clone()` gives a copy that you may change.</details>
# <details><summary>Hint 2</summary>Clear the rows of the terminal states, then write a 1 where they stay.</details>
# <details><summary>Hint 3</summary>The reward of every action in a terminal state is 0.</details>


# %% answer="make_absorbing"
def make_absorbing(transition_probabilities, rewards, terminal):
    """New (transition_probabilities, rewards) in which terminal states stay where they are at reward 0."""
    ### BEGIN SOLUTION
    stay = torch.eye(len(rewards), dtype=rewards.dtype)[:, None, :]
    probabilities = torch.where(terminal[:, None, None], stay, transition_probabilities)
    return probabilities, rewards.masked_fill(terminal[:, None], 0.0)
    ### END SOLUTION


# %% check="make_absorbing" points=2
check("make_absorbing", make_absorbing)

# %% check="make_absorbing" points=1 hidden=true
check("make_absorbing", make_absorbing, hidden=True)

# %% [markdown]
# ### 5 The induced chain · 3 points · difficulty 2 · about 15 minutes
#
# Fix the policy, and the MDP becomes a Markov chain with rewards:
#
# $$
# \begin{aligned}
# P_\pi(s' \mid s) &= \sum_a \pi(a \mid s) P(s' \mid s, a), \\
# r_\pi(s) &= \sum_a \pi(a \mid s)\, r(s, a)
# \end{aligned}
# $$
#
# By hand: half of the time an action that stays, half of the time one that leaves, gives a chain that stays with ½.
#
# <details><summary>Hint 1</summary>Give the policy a third axis, so that it multiplies whole rows of P.</details>
# <details><summary>Hint 2</summary>`policy[:, :, None]` has shape (S, A, 1). Sum over the action axis.</details>
# <details><summary>Hint 3</summary>Every row of P_π must sum to 1; if the columns do instead, look at the axes.</details>


# %% answer="induced_chain"
def induced_chain(transition_probabilities, rewards, policy):
    """P_π of shape (S, S) and r_π of shape (S,)."""
    ### BEGIN SOLUTION
    return (policy[:, :, None] * transition_probabilities).sum(dim=1), (policy * rewards).sum(dim=1)
    ### END SOLUTION


# %% check="induced_chain" points=2
check("induced_chain", induced_chain)

# %% check="induced_chain" points=1 hidden=true
check("induced_chain", induced_chain, hidden=True)

# %% [markdown]
# ### 6 Where does the policy spend its time? · 4 points · difficulty 4 · about 30 minutes
#
# The discounted occupancy $\rho_\pi(s) = \sum_{t} \gamma^t \Pr(s_t = s)$ counts visits, later ones less. It satisfies
#
# $$\rho_\pi(s') = \mu(s') + \gamma \sum_s P_\pi(s' \mid s)\, \rho_\pi(s),$$
#
# a linear system in which $P_\pi$ stands with its *first* index summed. Solve it exactly.
#
# By hand: two states, start in 0, always move to 1 and stay. At $\gamma = 0.5$ the occupancy is $(1,\; 0.5 + 0.25 + \dots) = (1, 1)$.
# Its sum is $1 / (1 - \gamma) = 2$, as it is for every policy.
#
# <details><summary>Hint 1</summary>First compute the induced chain.</details>
# <details><summary>Hint 2</summary>Write the equation as (I − γ M) ρ = μ. What is M?</details>
# <details><summary>Hint 3</summary>Summing the first index of a matrix is multiplying by its transpose.</details>


# %% answer="occupancy"
def occupancy(transition_probabilities, policy, initial_distribution, discount):
    """Discounted occupancy, shape (S,); it sums to 1 / (1 - discount)."""
    ### BEGIN SOLUTION
    chain = (policy[:, :, None] * transition_probabilities).sum(dim=1)
    identity = torch.eye(len(chain), dtype=chain.dtype)
    return torch.linalg.solve(identity - discount * chain.T, initial_distribution)
    ### END SOLUTION


# %% check="occupancy" points=2
check("occupancy", occupancy)

# %% check="occupancy" points=2 hidden=true
check("occupancy", occupancy, hidden=True)

# %% [markdown]
# ### 7 Sample trajectories · 3 points · difficulty 3 · about 25 minutes
#
# Draw `count` trajectories of `length` steps side by side: the first states from $\mu$, then in every step an action from
# $\pi(\cdot \mid s)$ and a next state from $P(\cdot \mid s, a)$. Return the states and the actions that were taken
# in them, both integer tensors of shape (count, length). All random numbers come from `generator`, in any order you like.
#
# <details><summary>Hint 1</summary>`torch.multinomial(p, 1, generator=generator)` draws one index from every row of p.</details>
# <details><summary>Hint 2</summary>`policy[state]` has one row for each trajectory; so has `transition_probabilities[state, action]`.</details>
# <details><summary>Hint 3</summary>Store state and action of a step before you move on.</details>


# %% answer="sample_trajectories"
def sample_trajectories(transition_probabilities, policy, initial_distribution, length, count, generator):
    """States and actions, each of shape (count, length)."""
    ### BEGIN SOLUTION

    def draw(probabilities):
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)

    state = draw(initial_distribution.expand(count, -1))
    states, actions = [], []
    for _ in range(length):
        action = draw(policy[state])
        states.append(state)
        actions.append(action)
        state = draw(transition_probabilities[state, action])
    return torch.stack(states, dim=1), torch.stack(actions, dim=1)
    ### END SOLUTION


# %% check="sample_trajectories" points=2
check("sample_trajectories", sample_trajectories)

# %% check="sample_trajectories" points=1 hidden=true
check("sample_trajectories", sample_trajectories, hidden=True)

# %% [markdown]
# ### 8 In your own words · 4 points · about 20 minutes
#
# Describe a task (not one of the chapter) in which the natural observation is not Markov. Say what the agent observes,
# give two histories that lead to the same observation but call for different actions, and name one repair.
#
# *Graded by hand:* 1 point for a task with a stated observation; 2 points for two histories that show the failure, with
# the actions they call for; 1 point for a repair that makes these two histories distinguishable.

# %% [markdown] written="not_markov" points=4
# ### BEGIN SOLUTION
# A lift controller observes on which floor the cabin stands. History A: it came from below with a passenger for floor 9
# aboard and stands on floor 5. History B: it came from above with a passenger for floor 1 and stands on floor 5. The
# observation is the same, but in A it should go up and in B down. Repair: put the destinations that were pressed (or,
# as a start, the direction of travel) into the state.
# ### END SOLUTION
