"""Episodes as plain data, for a reader who steps through them: what was read and written, by whom, and at what price.

A logged episode keeps rewards turn by turn, and cost, time and unsafe actions in total only. An environment begins
again from its seed, so :func:`figures_of_turns` carries the logged actions out once more and reads the figures of each
turn, after it has compared every answer and every reward with the logged ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlkit.agents.episode_log import places_of_turns
from rlkit.agents.rollouts import Trajectory
from rlkit.agents.text_environment import TextEnvironment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOLERANCE = 1e-6


@dataclass(frozen=True)
class TurnFigures:
    """What one turn cost, how many seconds of the virtual clock it took, and whether it was unsafe."""

    cost: float
    seconds: float
    unsafe: bool


def trace(
    trajectory: Trajectory,
    tokenizer: PreTrainedTokenizerBase,
    label: str,
    figures: Sequence[TurnFigures] | None = None,
) -> dict[str, Any]:
    """Return an episode as a dict for JSON.

    Parameters
    ----------
    trajectory : Trajectory
        As played, or as read back from a log: both give the same.
    tokenizer : PreTrainedTokenizerBase
        That of the policy; every token is decoded by itself.
    label : str
        Whose episode it is, for the reader: ``before training``.
    figures : sequence of TurnFigures, optional
        One a turn, from :func:`figures_of_turns`. Without them a turn has no cost, seconds or unsafe.

    Returns
    -------
    dict
        ``label``; ``seed`` (of the task); ``turns``, a list; ``final`` (the observation after the last turn, which no
        agent read); ``reward`` (the sum of the turns'); ``terminated`` and ``truncated``; and of the key figures
        those that the trajectory has: ``success`` (1, 0, or a fraction), ``cost``, ``latency`` (seconds of the
        virtual clock) and ``unsafe`` (1 or 0).

        A turn has ``context`` (number of the conversation, from 0; a turn whose number is higher than that of the
        turn before opened a fresh one), ``read`` (the observation before it), ``wrote`` (the action), ``reward``,
        ``read_tokens`` (tokens of the environment since the last turn, chat template included: not trained on),
        ``wrote_tokens`` (tokens of the policy: trained on), ``probabilities`` (one for each of the policy's tokens,
        as noted while sampling), and with figures ``cost``, ``seconds`` and ``unsafe`` (true or false).

        Rewards and costs have 4 decimals, probabilities 3, seconds 2.

    Raises
    ------
    ValueError
        If the trajectory has no turn, or there are not as many figures as turns.
    """
    count = len(trajectory.actions)
    if not count:
        raise ValueError(f"the episode of seed {trajectory.seed} has no turn: there is nothing to show")
    if figures is not None and len(figures) != count:
        raise ValueError(f"{len(figures)} figures for {count} turns, expected one for each")
    turns = [_turn(trajectory, tokenizer, turn, *place) for turn, place in enumerate(places_of_turns(trajectory))]
    for turn, known in zip(turns, figures or [], strict=False):
        turn |= {"cost": round(known.cost, 4), "seconds": round(known.seconds, 2), "unsafe": known.unsafe}
    places = {"success": 4, "cost": 4, "latency": 2, "unsafe": 4}
    info = {name: round(float(trajectory.info[name]), k) for name, k in places.items() if name in trajectory.info}
    return {
        "label": label,
        "seed": trajectory.seed,
        "turns": turns,
        "final": trajectory.final_observation,
        "reward": round(sum(trajectory.rewards), 4),
        "terminated": trajectory.terminated,
        "truncated": trajectory.truncated,
        **info,
    }


def _turn(
    trajectory: Trajectory, tokenizer: PreTrainedTokenizerBase, turn: int, number: int, start: int, first: int, end: int
) -> dict[str, Any]:
    """Return one turn: its texts, its reward, and the tokens that were added since the turn before."""
    context = trajectory.contexts[number]
    return {
        "context": number,
        "read": trajectory.observations[turn],
        "wrote": trajectory.actions[turn],
        "reward": round(trajectory.rewards[turn], 4),
        "read_tokens": [str(tokenizer.decode([one])) for one in context.ids[start:first]],
        "wrote_tokens": [str(tokenizer.decode([one])) for one in context.ids[first:end]],
        "probabilities": [round(math.exp(one), 3) for one in context.log_probabilities[first:end]],
    }


def figures_of_turns(trajectory: Trajectory, environment: TextEnvironment) -> list[TurnFigures]:
    """Carry an episode's actions out again and return the figures of its turns.

    Parameters
    ----------
    trajectory : Trajectory
    environment : TextEnvironment
        Made with the same options as the one that the episode was played in; it is reset.

    Raises
    ------
    ValueError
        If the environment answers or rewards an action otherwise than it did in the episode, or the totals differ.
    """
    answers = [*trajectory.observations[1:], trajectory.final_observation]
    opening, before = environment.reset(seed=trajectory.seed)
    if opening != trajectory.observations[0]:
        raise ValueError(
            f"seed {trajectory.seed} opens with {opening!r}, the episode with {trajectory.observations[0]!r}"
        )
    figures = []
    for number, (action, logged, reward) in enumerate(
        zip(trajectory.actions, answers, trajectory.rewards, strict=True)
    ):
        environment.info["unsafe"] = 0.0  # it is kept as the episode's maximum, which would hide a second one
        seen, earned, _, _, after = environment.step(action)
        if seen != logged or abs(earned - reward) > TOLERANCE:
            raise ValueError(
                f"turn {number + 1} of seed {trajectory.seed}: {action!r} was answered by {logged!r} with reward "
                f"{reward:g}, now by {seen!r} with {earned:g}; was the environment made with the same options?"
            )
        cost, seconds = (after[name] - before[name] for name in ("cost", "latency"))
        figures.append(TurnFigures(cost, seconds, bool(after["unsafe"])))
        before = after
    totals = {"cost": sum(one.cost for one in figures), "latency": sum(one.seconds for one in figures)}
    totals["unsafe"] = float(any(one.unsafe for one in figures))
    for name, total in totals.items():
        if abs(total - trajectory.info[name]) > TOLERANCE:
            raise ValueError(
                f"seed {trajectory.seed}: {name} is {total:g} now, {trajectory.info[name]:g} in the episode"
            )
    return figures
