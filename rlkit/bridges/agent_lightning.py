"""Microsoft Agent-Lightning: rlkit's environments as a rollout, its triplets as rlkit's token ids.

Agent-Lightning watches the requests that an agent sends to a model's server and makes a *triplet* of each: what was
read, what was written, a reward. The server has to answer with token ids, as vLLM and :mod:`rlkit.bridges.server` do.

The reward is reported once, with the last turn, as the sum over all turns: when Agent-Lightning trains (on verl) it
takes the last reward it finds in an episode and gives it to every turn. Of rewards that were emitted turn by turn it
would see one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rlkit.bridges.episodes import Episode, RolloutError, require

SECONDS = 0.05  # between two looks at the queue; Agent-Lightning's 5 are meant for models that take minutes


class Turn(NamedTuple):
    """A triplet: ids that the policy read, ids that it wrote, their log-probabilities, and the reward if there was."""

    prompt: list[int]
    written: list[int]
    log_probabilities: list[float]
    reward: float | None


def play(task: Mapping[str, Any], endpoint: str, model: str, **sampling: Any) -> Episode:
    """Play the episode of a data set's row against a model's server; raise RolloutError if that does not answer.

    Parameters
    ----------
    task : mapping
        A row of :func:`rlkit.bridges.episodes.rows`.
    endpoint, model : str
        The server's address, ending in ``/v1``, and the model's name there.
    **sampling
        Of the requests: ``temperature``, ``max_tokens``.
    """
    import openai

    episode = Episode.from_row(task)
    settings: dict[str, Any] = {"max_tokens": 16, "temperature": 1.0, "logprobs": True, **sampling}
    settings["extra_body"] = {"return_token_ids": True}
    with openai.OpenAI(base_url=endpoint, api_key="none", max_retries=0) as client:
        while not episode.ended:
            try:
                answer = client.chat.completions.create(model=model, **settings, messages=episode.messages)  # type: ignore[arg-type, unused-ignore]
            except openai.APIError as error:
                raise RolloutError(
                    f"no answer from {endpoint} in turn {len(episode.actions) + 1} of {episode.environment_id}, seed "
                    f"{episode.seed}: {error} Does the server run, and is its model's name {model!r}?"
                ) from error
            episode.reply((answer.choices[0].message.content or "").strip())
    return episode


def agent(**sampling: Any) -> Any:
    """Return the ``LitAgent`` that plays the rows it is given; its resource is an ``LLM``."""
    agl = framework()

    @agl.rollout
    def rlkit_episode(task: Any, llm: Any) -> float:
        return play(task, llm.endpoint, llm.model, **llm.sampling_parameters, **sampling).total_reward

    return rlkit_episode


def framework() -> Any:
    """Import Agent-Lightning; a package that it imports would fetch a list of prices from the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return require("agent_lightning")


def fit(algorithm: Any, rows: Sequence[Mapping[str, Any]], endpoint: str, model: str, **sampling: Any) -> None:
    """Let an algorithm of Agent-Lightning's have rows, numbered, played with ``Trainer.fit`` in this process."""
    agl = framework()
    tracer = agl.AgentOpsTracer()
    trainer = agl.Trainer(
        algorithm=algorithm,
        runner=agl.LitAgentRunner(tracer, poll_interval=SECONDS, interval_jitter=0.0),
        tracer=tracer,
        strategy=agl.SharedMemoryExecutionStrategy(main_thread="algorithm"),
        initial_resources={"llm": agl.LLM(endpoint=endpoint, model=model)},
    )
    trainer.fit(agent(**sampling), train_dataset=[{**row, "number": number} for number, row in enumerate(rows)])


def collect(rows: Sequence[Mapping[str, Any]], endpoint: str, model: str, **sampling: Any) -> list[list[Turn]]:
    """Play rows by way of the ``Baseline`` algorithm, which trains nothing; return the turns of each episode.

    All of them, or none: if an episode failed, RolloutError is raised.
    """
    found: dict[int, list[Turn]] = {}

    class Collect(framework().Baseline):  # type: ignore[misc]
        async def _handle_rollout_finish(self, rollout: Any) -> None:
            if rollout.status == "succeeded":
                spans = await self.get_store().query_spans(rollout_id=rollout.rollout_id, attempt_id="latest")
                found[rollout.input["number"]] = [turn_of(triplet) for triplet in self.get_adapter().adapt(spans)]

    fit(Collect(polling_interval=SECONDS), rows, endpoint, model, **sampling)
    if len(found) < len(rows):
        raise RolloutError(f"{len(rows) - len(found)} of {len(rows)} episodes failed; the log above says why")
    return [found[number] for number in range(len(rows))]


def turn_of(triplet: Any) -> Turn:
    """Read a triplet."""
    noted = [token["logprob"] for token in triplet.response.get("logprobs") or []]
    return Turn(triplet.prompt["token_ids"], triplet.response["token_ids"], noted, triplet.reward)
