import pytest
import torch

from rlkit.gridworld import Gridworld
from tests.rlkit import references

MAP = ["..G", ".#P", "S.."]


def test_states_are_the_cells_that_are_not_walls_in_reading_order():
    world = Gridworld(MAP)
    assert world.cells == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert world.start_state == 5
    assert world.mdp().initial_distribution.argmax() == 5
    grid = world.as_grid(torch.arange(8.0))
    assert grid[1, 1].isnan() and grid[2, 0] == 5


def expected_rewards(world, probabilities):
    """Reward of each step: its price, and what arriving pays; nothing after the end."""
    letters = [world.rows[row][column] for row, column in world.cells]
    arrival = torch.tensor([{"G": world.goal_reward, "P": world.pit_reward}.get(x, 0.0) for x in letters])
    ends = torch.tensor([letter in "GP" for letter in letters])
    return (world.step_reward + probabilities @ arrival.double()).masked_fill(ends[:, None], 0.0)


@pytest.mark.parametrize("slip", [0.0, 0.2, 1.0])
def test_transitions_follow_the_rules_of_the_map(slip):
    world = Gridworld("..#.G\n.#..P\nS...#\n#..#.", slip=slip, step_reward=-0.04, goal_reward=2, pit_reward=-3)
    probabilities = references.mdp.reference_slippery_transitions(world.rows, slip)
    rewards = expected_rewards(world, probabilities)
    mdp = world.mdp()
    torch.testing.assert_close(mdp.dense(), probabilities, atol=1e-15, rtol=0)
    torch.testing.assert_close(mdp.expected_rewards, rewards, atol=1e-15, rtol=0)


def test_goals_and_pits_are_terminal():
    assert Gridworld(MAP).mdp().terminal.nonzero().flatten().tolist() == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": ["..x"]}, "row 0, column 2 of the map is 'x', expected one of: . free, # wall, S start"),
        ({"rows": ["...", ".."]}, "row 1 of the map has 2 letters, expected 3 as in row 0"),
        ({"rows": ""}, "the map is empty"),
        ({"rows": ["S.S"]}, "the map has 2 starts S, expected at most one"),
        ({"rows": ["##"]}, "the map is all walls"),
        ({"rows": MAP, "slip": 1.2}, "slip is 1.2, expected a probability"),
        ({"rows": MAP, "discount": 2}, "discount is 2"),
    ],
)
def test_a_bad_map_is_refused_with_the_place(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(". free", r"\. free")):
        Gridworld(**arguments)
