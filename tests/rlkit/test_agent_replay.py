"""Learning from logs: weights that turn means over a log into means under another policy, selections, the flywheel."""

import copy
import itertools
import json
import random

import pytest
import torch

from rlkit.agents import flywheel, replay
from rlkit.agents.changed_data import DearCopy, NoCopy
from rlkit.agents.data_agent import DataAgent
from rlkit.agents.episode_log import EpisodeLog
from rlkit.agents.rollouts import Context, Trajectory, rollout
from rlkit.lm.chat import Chat
from rlkit.lm.checkpoints import tiny_llama, word_tokenizer
from rlkit.seeding import make_generator
from tests.rlkit.test_agent_training import chatml_tokenizer, make_model

# Weights ----------------------------------------------------------------------------------------------------------

OLD, NEW = torch.tensor([[0.5, 0.5], [0.7, 0.3]]).double(), torch.tensor([[0.9, 0.1], [0.2, 0.8]]).double()


def two_step_episodes():
    """All four episodes of two choices, with log-probabilities of their steps under both policies, (4, 2) each."""
    choices = torch.tensor(list(itertools.product(range(2), repeat=2)))
    old, new = (torch.stack([table[0][choices[:, 0]], table[1][choices[:, 1]]], 1).log() for table in (OLD, NEW))
    return choices, old, new


def test_weighted_means_over_a_two_step_log_are_the_other_policys_means():
    choices, old, new = two_step_episodes()
    everything = torch.ones(4, 2) > 0
    returns = torch.tensor([1.0, -2.0, 0.5, 4.0]).double()
    weights = replay.episode_log_weights(new, old, everything).exp()
    chance_in_the_log = old.sum(1).exp()
    assert (chance_in_the_log * weights * returns).sum() == pytest.approx(float((new.sum(1).exp() * returns).sum()))
    # A step's own ratio is enough for what that step decides, and not for what comes after it.
    ratios = replay.importance_weights(new, old, everything)
    first = (choices[:, 0] == 0).double()
    assert (chance_in_the_log * ratios[:, 0] * first).sum() == pytest.approx(0.9)
    assert (chance_in_the_log * ratios[:, 1] * returns).sum() != pytest.approx(
        float((new.sum(1).exp() * returns).sum())
    )


def test_what_the_mask_leaves_out_has_weight_one_and_no_gradient():
    present = torch.tensor([[-1.0, float("-inf"), -2.0]], requires_grad=True)
    logged = torch.tensor([[-2.0, float("-inf"), float("nan")]])
    mask = torch.tensor([[True, False, False]])
    weights = replay.importance_weights(present, logged, mask)
    assert weights.tolist() == [[pytest.approx(2.718281828), 1.0, 1.0]]
    weights.sum().backward()
    assert present.grad[0, 1:].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="mask"):
        replay.importance_weights(present, logged, mask.float())


def test_effective_sample_size_by_hand_and_at_its_bounds():
    assert replay.effective_sample_size(torch.zeros(7)) == pytest.approx(7)
    assert replay.effective_sample_size(torch.tensor([3.0, float("-inf"), float("-inf")])) == pytest.approx(1)
    weights = torch.tensor([2.88, 0.72, 0.32, 0.08]).double()
    assert replay.effective_sample_size(weights.log()) == pytest.approx(16 / 8.9216)
    assert replay.effective_sample_size(weights.log() - 5_000) == pytest.approx(16 / 8.9216)  # exp would be 0
    rows = torch.stack([weights.log(), torch.zeros(4).double()])
    assert replay.effective_sample_size(rows).tolist() == pytest.approx([16 / 8.9216, 4.0])
    for useless in (torch.zeros(0), torch.tensor([0.0, float("nan")]), torch.full((3,), float("-inf"))):
        with pytest.raises(ValueError, match="log_weights"):
            replay.effective_sample_size(useless)


# Selections -------------------------------------------------------------------------------------------------------


def episode(group, reward, success=1.0, unsafe=0.0):
    return Trajectory(0, group, rewards=[reward / 2, reward / 2], info={"success": success, "unsafe": unsafe})


def test_successes_are_selected_and_safe_ones_if_asked_for():
    episodes = [
        episode(0, 1.0),
        episode(0, 1.0, unsafe=1.0),
        episode(0, 0.0, success=0.0),
        episode(1, 0.5, success=0.5),
    ]
    assert replay.rejection_sampling(episodes) == episodes[:2]
    assert replay.rejection_sampling(episodes, safe_only=True) == episodes[:1]
    assert replay.rejection_sampling(episodes, smallest_success=0.5) == [*episodes[:2], episodes[3]]


def test_pairs_are_of_one_group_the_best_with_the_worst():
    a, b, c, d = episode(0, 0.9), episode(0, 0.7), episode(0, 0.1, success=0.0), episode(0, -0.2, success=0.0)
    alone, other = episode(1, 0.8), episode(2, -0.9, success=0.0)
    assert replay.preference_pairs([c, a, alone, d, b, other]) == [(a, d), (b, c)]
    assert replay.preference_pairs([a, b]) == [(a, b)]  # a success that was dear may be the worse one
    assert replay.preference_pairs([a, b], margin=0.3) == []
    assert replay.preference_pairs([c, d]) == []  # nothing to imitate
    with pytest.raises(ValueError, match="margin"):
        replay.preference_pairs([a, b], margin=0.0)


def test_an_unsafe_success_is_never_preferred_when_only_safe_ones_may_be():
    unsafe, safe, failed = episode(0, 1.5, unsafe=1.0), episode(0, 0.8), episode(0, 0.0, success=0.0)
    assert replay.preference_pairs([unsafe, safe, failed]) == [(unsafe, failed)]
    assert replay.preference_pairs([unsafe, safe, failed], safe_only=True) == [(safe, failed)]


def test_pairs_hold_their_promises_on_random_logs():
    chance = random.Random(0)
    for _ in range(50):
        episodes = [
            episode(
                chance.randrange(4),
                chance.choice([0.0, 0.2, 0.5, 0.9]),
                float(chance.random() < 0.5),
                chance.random() < 0.3,
            )
            for _ in range(30)
        ]
        for safe_only in (False, True):
            pairs = replay.preference_pairs(episodes, 0.2, safe_only)
            assert pairs
            members = [id(one) for pair in pairs for one in pair]
            assert len(members) == len(set(members))
            for chosen, rejected in pairs:
                assert chosen.group == rejected.group and chosen.info["success"] == 1.0
                assert sum(chosen.rewards) - sum(rejected.rewards) >= 0.2 - 1e-9
                assert not (safe_only and chosen.info["unsafe"])


# Losses -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played():
    model, tokenizer = make_model(DataAgent, steps=50)
    environments = [DataAgent() for _ in range(12)]
    seeds = [seed for seed in range(3) for _ in range(4)]
    return model, tokenizer, rollout(model, tokenizer, environments, seeds, 6, make_generator(0, "sampling"))


def test_logs_have_weight_one_under_the_policy_that_wrote_them(played):
    model, tokenizer, episodes = played
    weights = replay.logged_episode_log_weights(model, episodes, tokenizer.pad_token_id)
    assert weights.abs().max() < 1e-3
    other, _ = make_model(DataAgent, seed=1)
    weights = replay.logged_episode_log_weights(other, episodes, tokenizer.pad_token_id)
    assert replay.effective_sample_size(weights) < 6


def test_sums_go_to_the_episode_over_all_its_contexts():
    episodes = [Trajectory(0, 0, [Context(), Context()]), Trajectory(1, 0, [Context()])]
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert replay.episode_sums(values, episodes).tolist() == [10.0, 11.0]


def test_the_losses_of_imitation_and_of_pairs_are_those_of_a_loop_over_tokens(played):
    model, tokenizer, episodes = played
    other, _ = make_model(DataAgent, seed=3)

    def log_probabilities(some, one):
        found = []
        with torch.no_grad():
            for context in one.contexts:
                table = some(torch.tensor([context.ids])).logits[0].log_softmax(-1)
                found += [
                    float(table[place - 1, token])
                    for place, (token, turn) in enumerate(zip(context.ids, context.turns, strict=True))
                    if turn >= 0
                ]
        return found

    tokens = [value for one in episodes[:3] for value in log_probabilities(model, one)]
    loss = replay.imitation_loss(model, episodes[:3], tokenizer.pad_token_id)
    assert float(loss.detach()) == pytest.approx(-sum(tokens) / len(tokens), rel=1e-4)
    pairs, beta = [(episodes[0], episodes[1]), (episodes[2], episodes[3])], 0.3
    expected = 0.0
    for chosen, rejected in pairs:
        gain = [sum(log_probabilities(model, one)) - sum(log_probabilities(other, one)) for one in (chosen, rejected)]
        expected -= float(torch.nn.functional.logsigmoid(torch.tensor(beta * (gain[0] - gain[1])))) / 2
    loss = replay.pair_loss(model, other, pairs, tokenizer.pad_token_id, beta)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-3)


def test_as_if_fresh_ignores_what_was_logged_and_the_ratio_does_not():
    present, logged = torch.tensor([[-1.0, -2.0]], requires_grad=True), torch.tensor([[-1.5, -2.0]])
    advantages, mask = torch.tensor([1.0]), torch.tensor([[True, True]])
    (fresh,) = torch.autograd.grad(flywheel.as_if_fresh(present, logged, advantages, mask), present)
    assert fresh.tolist() == [[-0.5, -0.5]]
    (weighed,) = torch.autograd.grad(flywheel.grpo_loss(present, logged, advantages, mask, 10.0, 10.0), present)
    assert weighed.tolist() == [[pytest.approx(-0.5 * 2.718281828**0.5), -0.5]]
    (clipped,) = torch.autograd.grad(flywheel.grpo_loss(present, logged, advantages, mask), present)
    assert clipped.tolist() == [[0.0, -0.5]]


# The wheel --------------------------------------------------------------------------------------------------------

SMALL = {"num_revolutions": 2, "num_batches": 2, "tasks_per_batch": 2, "group_size": 4}


@pytest.mark.parametrize("method", flywheel.METHODS)
def test_every_method_logs_the_same_number_of_episodes_and_learns_from_them(method, played, tmp_path):
    model, tokenizer, _ = played
    again = copy.deepcopy(model)
    config = flywheel.FlywheelConfig(method=method, margin=0.01, **SMALL)
    with EpisodeLog(tmp_path / "log.db") as log:
        result = flywheel.train(again, tokenizer, DataAgent, log, config)
        rows = log.connection.execute(
            "SELECT version, COUNT(*), COUNT(DISTINCT seed) FROM episode GROUP BY 1"
        ).fetchall()
        settings = json.loads(log.connection.execute("SELECT settings FROM episode").fetchone()[0])
    assert result.ended == "completed"
    by_batch = method == "on_policy"
    assert rows == ([(k, 8, 2) for k in range(4)] if by_batch else [(0, 16, 4), (2, 16, 4)])
    assert settings["price"] == 1.0 and settings["tools"]["SCAN"] == 0.3 and settings["temperature"] == 1.0
    moved = any(not torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert moved == bool(result.history["used"].sum() > 0)
    if "rejection" not in method and method != "dpo":
        assert result.history["used"].tolist() == [16.0, 16.0]


def test_the_wheel_is_reproducible(played, tmp_path):
    model, tokenizer, _ = played
    runs = []
    for number in range(2):
        again = copy.deepcopy(model)
        with EpisodeLog(tmp_path / f"log{number}.db") as log:
            flywheel.train(again, tokenizer, DataAgent, log, flywheel.FlywheelConfig(method="off_policy", **SMALL))
            runs.append((log.read(), list(again.parameters())))
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))


def test_without_a_success_there_is_nothing_to_imitate_and_nothing_changes(tmp_path):
    model, tokenizer = make_model(DataAgent)
    before = copy.deepcopy(model)
    with EpisodeLog(tmp_path / "log.db") as log:
        config = flywheel.FlywheelConfig(method="rejection", **SMALL)
        result = flywheel.train(model, tokenizer, DataAgent, log, config)
    assert result.history["used"].tolist() == [0.0, 0.0] and result.history["success"].tolist() == [0.0, 0.0]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_imitating_ones_successes_makes_them_likelier(played, tmp_path):
    model, tokenizer, _ = played
    again = copy.deepcopy(model)
    config = flywheel.FlywheelConfig(method="rejection", num_revolutions=1, num_batches=4, group_size=12)
    with EpisodeLog(tmp_path / "log.db") as log:
        flywheel.train(again, tokenizer, DataAgent, log, config)
        chosen = replay.rejection_sampling(log.read())
    losses = [replay.imitation_loss(some, chosen, tokenizer.pad_token_id) for some in (again, model)]
    assert losses[0] < losses[1]


def test_a_method_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"method is 'ppo', expected one of on_policy, off_policy"):
        flywheel.FlywheelConfig(method="ppo")


def test_a_real_chat_template_goes_all_the_way_through_the_log(tmp_path):
    """A character-level model with Qwen2's template: ids come back from the log as they were sampled."""
    tokenizer = chatml_tokenizer()
    model = tiny_llama(tokenizer, context_length=1024)
    with EpisodeLog(tmp_path / "log.db") as log:
        config = flywheel.FlywheelConfig(
            num_revolutions=1, num_batches=1, tasks_per_batch=2, group_size=2, max_new_tokens=8
        )
        result = flywheel.train(model, tokenizer, DataAgent, log, config)
        logged = log.read()
    assert result.ended == "completed" and len(logged) == 4
    chat = Chat(tokenizer)
    for one in logged:
        assert one.contexts[0].ids[: len(chat.opening(one.observations[0]))] == list(chat.opening(one.observations[0]))


# The world after a change -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [NoCopy, DearCopy])
def test_the_changed_worlds_can_be_solved_in_the_words_of_the_old_one(kind):
    tokenizer = word_tokenizer(DataAgent.WORDS)
    environment, solved = kind(), 0
    for seed in range(100):
        text, _ = environment.reset(seed=seed)
        chance, over = random.Random(seed), False
        while not over:
            action = environment.expert(chance)
            assert tokenizer.unk_token_id not in tokenizer(f"{text} {action}")["input_ids"]
            text, _, over, _, info = environment.step(action)
        solved += info["success"]
    assert solved >= 97


def test_a_scan_finds_nothing_or_costs_more_after_the_change_and_all_else_is_as_it_was():
    seen = {}
    for kind in (DataAgent, NoCopy, DearCopy):
        environment = kind(locked=0.0)
        opening, _ = environment.reset(seed=3)
        answers = [environment.step(action)[:2] for action in ("LOOK pear", "SCAN pear", "SCAN apple")]
        seen[kind] = [opening, *answers]
    before, gone, dear = seen[DataAgent], seen[NoCopy], seen[DearCopy]
    assert before[:2] == gone[:2] == dear[:2] and before[3] == gone[3] == dear[3]
    assert gone[2] == ("none", -0.3)
    assert dear[2] == (before[2][0], -0.9) and before[2][0].startswith("= ")
