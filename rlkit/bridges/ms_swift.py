"""ModelScope ms-swift: rlkit's environments as an ``Env``, its rewards as ``ORM`` classes, rows for its data sets.

``swift rlhf --external_plugins rlkit/bridges/plugins/rlkit_swift.py`` registers all of it in every process.

The reward of an episode is what swift's scheduler notes about it, handed on by the reward function ``rlkit_episode``.
swift has a switch of its own for that, ``use_gym_env``, but reads it only where vLLM generates: without vLLM
``RolloutTrainerMixin._prepare_vllm`` sets it to false and returns before it looks, and a run without reward functions
goes on with advantages of 0 and no message. With vLLM *and* the switch the reward would count twice: leave it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlkit.bridges.episodes import Episode, chain_reward, require, rows

PLUGIN = "rlkit/bridges/plugins/rlkit_swift.py"
TEMPLATE = "rlkit"


def register() -> None:
    """Tell swift of the environment, the rewards and the chat template of rlkit's tiny models."""
    require("ms_swift")
    from swift.rewards import ORM, orms
    from swift.rollout.gym_env import Env, envs
    from swift.template import TemplateMeta, register_template

    class RlkitEnv(Env):  # type: ignore[misc]
        """An episode; the row of the data set says of which environment, and its seed."""

        async def reset(self, config: Any) -> tuple[str, dict[str, Any], None]:
            self.episode = Episode.from_row(config.data_dict)
            return self.episode.opening, {}, None

        async def step(self, action: Any) -> tuple[str, float, bool, dict[str, Any]]:
            reply = self.episode.reply(action[-1]["content"].strip())
            if len(self.episode.contexts) > 1:
                raise ValueError(
                    f"{self.episode.environment_id} opens fresh contexts, and an episode of swift is one conversation"
                )
            return reply.observation, reply.reward, reply.ended, self.episode.info

        async def close(self) -> None:
            self.episode.environment.close()

    class EpisodeReward(ORM):  # type: ignore[misc]
        """The total reward that the scheduler added up."""

        def __call__(self, completions: Any, rollout_infos: Any, **columns: Any) -> list[float]:
            return [information["total_reward"] for information in rollout_infos]

    class ChainReward(ORM):  # type: ignore[misc]
        """Whether the digit is right."""

        def __call__(self, completions: Any, messages: Any, **columns: Any) -> list[float]:
            return chain_reward([conversation[0]["content"] for conversation in messages], completions)

    envs["rlkit"] = RlkitEnv
    orms["rlkit_episode"], orms["rlkit_chain"] = EpisodeReward, ChainReward
    template = TemplateMeta(
        TEMPLATE, prefix=[], prompt=["<user> {{QUERY}} <agent>"], chat_sep=["<end>"], suffix=["<end>"]
    )
    register_template(template, exist_ok=True)


def episode_rows(environment_id: str, seeds: Iterable[int], **options: Any) -> list[dict[str, Any]]:
    """Return a data set's rows for episodes; swift wants ``messages`` and the name of the environment's plugin."""
    return [
        {"messages": row["prompt"], "env_config": {"name": "rlkit"}, **row}
        for row in rows(environment_id, seeds, **options)
    ]
