# %% [markdown]
# # A lottery
#
# Two exercises, 6 points, and a written answer of 2 points: the assignment with which the autograder tests itself.

# %% locked=true
from autograder import exam

check = exam("lottery")

# %%
import torch  # noqa: E402

# %% [markdown]
# ### 1 What a row of winnings is worth · 3 points
# Winnings $r_0, r_1, \dots$ are worth $\sum_t \gamma^t r_t$ today. `rewards` has shape (T,).


# %% answer="discounted_sum"
def discounted_sum(rewards, discount):
    """Discounted sum, a tensor with one number."""
    ### BEGIN SOLUTION
    if not 0 <= discount <= 1:
        raise ValueError(f"the discount is {discount}, expected a number from 0 to 1")
    powers = discount ** torch.arange(len(rewards), dtype=rewards.dtype)
    return (powers * rewards).sum()
    ### END SOLUTION


# %% check="discounted_sum" points=2
check("discounted_sum", discounted_sum)

# %% check="discounted_sum" points=1 hidden=true
check("discounted_sum", discounted_sum, hidden=True)

# %% [markdown]
# ### 2 Draw tickets · 3 points
# Each ticket wins with the given probability. Return `count` draws, 1 for a win and 0 otherwise.


# %% answer="draw_tickets"
def draw_tickets(probability, count, generator):
    """Draws of shape (count,)."""
    ### BEGIN SOLUTION
    return (torch.rand(count, generator=generator) < probability).long()
    ### END SOLUTION


# %% check="draw_tickets" points=2
check("draw_tickets", draw_tickets)

# %% check="draw_tickets" points=1 hidden=true
check("draw_tickets", draw_tickets, hidden=True)

# %% [markdown]
# ### 3 In words
# Why is a later win worth less? One point for interest or uncertainty, one for an example.

# %% [markdown] written="later_wins" points=2
# ### BEGIN SOLUTION
# Money now earns interest: at 5 percent a year, 100 today are 105 in a year.
# ### END SOLUTION
