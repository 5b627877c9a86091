import gymnasium
import pytest
import torch

from rlkit.environments import CartPole, Catch, LimitAsEnding

STEPS = 6_000


def drive(theirs, ours, choose, steps):
    """Step both from the same states; return how often each flag was raised."""
    endings = {"terminated": 0, "truncated": 0}
    theirs.reset(seed=0)
    ours.reset()
    copy_state(theirs, ours)
    for _ in range(steps):
        action = choose(ours.state[0])
        observation, reward, terminated, truncated, _ = theirs.step(action)
        step = ours.step(torch.tensor([action]))
        assert step.final_observation[0].to(torch.float32).tolist() == pytest.approx(observation.tolist(), abs=1e-7)
        assert step.reward.item() == reward
        assert (step.terminated.item(), step.truncated.item()) == (terminated, truncated)
        endings["terminated"] += terminated
        endings["truncated"] += truncated
        if terminated or truncated:
            theirs.reset()
            assert (step.observation.abs() <= 0.05).all()
            copy_state(theirs, ours)
    return endings


def copy_state(theirs, ours):
    ours.state = torch.tensor(theirs.unwrapped.state, dtype=torch.float64)[None]


def test_cartpole_steps_as_gymnasiums_does_with_both_endings():
    generator = torch.Generator().manual_seed(0)
    limit = 60

    def balance_with_noise(state):
        push = int(state[2] + 0.3 * state[3] > 0)
        return push if torch.rand(1, generator=generator) < 0.9 else 1 - push

    theirs = gymnasium.make("CartPole-v1", max_episode_steps=limit)
    ours = CartPole(1, seed=0, step_limit=limit, dtype=torch.float64)
    endings = drive(theirs, ours, balance_with_noise, STEPS)
    theirs = gymnasium.make("CartPole-v1")
    random = drive(
        theirs,
        CartPole(1, seed=0, dtype=torch.float64),
        lambda state: int(torch.randint(2, (1,), generator=generator)),
        STEPS,
    )
    assert min(endings["truncated"], random["terminated"]) > 50


def test_a_cart_that_leaves_the_track_and_a_pole_that_falls_both_terminate():
    environment = CartPole((1, 4), seed=0, step_limit=None, dtype=torch.float64)
    environment.reset()
    inside, outside = 0.2094, 0.2096  # 12 degrees are 0.20944 rad
    environment.state = torch.tensor(
        [[[2.41, 0, 0, 0], [2.39, 0, 0, 0], [0, 0, outside, 0], [0, 0, inside, 0]]]
    ).double()
    step = environment.step(torch.ones(1, 4, dtype=torch.int64))
    assert step.terminated.tolist() == [[True, False, True, False]]
    assert not step.truncated.any()


def test_starts_lie_in_the_box_of_gymnasium_and_differ_between_episodes():
    environment = CartPole((3, 500), seed=0)
    starts = environment.reset()
    assert starts.abs().max() <= 0.05 and starts.std(dim=(0, 1)).min() > 0.02
    assert not torch.equal(starts, environment.reset())


def test_catch_pays_one_for_the_ball_and_minus_one_for_the_floor():
    environment = Catch((1, 200), seed=0)
    environment.reset()
    for number in range(1, 10):
        column, paddle = environment.ball_column, environment.paddle
        follow = (column - paddle).sign() + 1
        follow[:, :100] = 0  # half of the paddles run into the left wall
        step = environment.step(follow)
        assert step.terminated.all() == (number == 9) and not step.truncated.any()
        if number < 9:
            assert (step.reward == 0).all()
    assert (step.reward[:, 100:] == 1).all()
    assert torch.equal(step.reward[:, :100] == 1, column[:, :100] == 0)
    board = step.final_observation.view(1, 200, 10, 5)
    assert (board[..., -1, :].sum(-1) <= 2).all() and (board[..., :-1, :] == 0).all()  # the ball is at the bottom
    fresh = step.observation.view(1, 200, 10, 5)
    assert (fresh[..., 0, :].sum(-1) == 1).all() and (fresh[..., -1, 2] == 1).all()


def test_a_limit_reported_as_an_ending_changes_the_flags_and_nothing_else():
    plain, wrapped = (CartPole(5, seed=0, step_limit=3) for _ in range(2))
    wrapped = LimitAsEnding(wrapped)
    plain.reset(), wrapped.reset()
    for _ in range(3):
        action = torch.ones(5, dtype=torch.int64)
        one, other = plain.step(action), wrapped.step(action)
    assert one.truncated.all() and not one.terminated.any()
    assert other.terminated.all() and not other.truncated.any()
    assert torch.equal(one.final_observation, other.final_observation)


@pytest.mark.parametrize("make", [CartPole, Catch])
def test_bad_use_is_refused(make):
    environment = make((2, 3), seed=0)
    actions = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="step was called before reset"):
        environment.step(actions)
    environment.reset()
    with pytest.raises(ValueError, match=r"action has shape \(6,\)"):
        environment.step(actions.flatten())
    with pytest.raises(ValueError, match="action -1 does not exist"):
        environment.step(actions - 1)
    with pytest.raises(ValueError, match="action 7 does not exist"):
        environment.step(actions + 7)
    with pytest.raises(ValueError, match="batch_size is"):
        make(0, seed=0)
    with pytest.raises(ValueError, match="step_limit is 0"):
        CartPole(1, seed=0, step_limit=0)
    with pytest.raises(ValueError, match="the board is 1 x 5"):
        Catch(1, seed=0, rows=1)
