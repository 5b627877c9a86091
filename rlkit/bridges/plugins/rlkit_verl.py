"""What verl makes by name in its workers: the agent loop ``rlkit`` and the tool ``act`` (:mod:`rlkit.bridges.verl`)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput
from verl.tools.base_tool import BaseTool
from verl.tools.schemas import OpenAIFunctionToolSchema, ToolResponse

from rlkit.bridges.episodes import Episode, EpisodeError
from rlkit.bridges.tools import ACT, TextAgent
from rlkit.bridges.verl import ERROR


class EpisodeLoop(AgentLoopBase):  # type: ignore[misc]
    """Plays an episode; a context that the environment opens afresh becomes a sequence of its own.

    Parameters
    ----------
    max_tokens : int
        Of one turn.
    """

    def __init__(self, *arguments: Any, max_tokens: int = 64, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.max_tokens = max_tokens

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput | list[AgentLoopOutput]:
        """Play the episode of a row."""
        episode = Episode.from_row(row["extra_info"])
        outputs: list[AgentLoopOutput] = []
        while len(outputs) < len(episode.contexts):
            outputs.append(await self._play_context(episode, {**sampling_params, "max_tokens": self.max_tokens}))
        outputs[-1].reward_score = episode.total_reward
        figures = {name: float(value) for name, value in episode.info.items() if name != "fresh_context"}
        outputs[-1].extra_fields["reward_extra_info"] = figures
        return outputs if len(outputs) > 1 else outputs[0]

    async def _play_context(self, episode: Episode, sampling: dict[str, Any]) -> AgentLoopOutput:
        """Play until the episode ends, a fresh context begins, or there is no room for another turn."""
        number, request, turns = len(episode.contexts), uuid4().hex, 0
        room, end = self.rollout_config.response_length, self.tokenizer.eos_token_id
        ids = await self.ct_build_initial_tokens(list(episode.messages))
        start = len(ids)
        mask: list[int] = []
        scores: list[float] = []
        while True:
            written = await self.server_manager.generate(
                request_id=request, prompt_ids=list(ids), sampling_params=dict(sampling)
            )
            noted = written.log_probs or [0.0] * len(written.token_ids)
            merged, mask, scores = await self.ct_merge_assistant_token(ids, written.token_ids, mask, scores, noted)
            ids, turns = merged.token_ids, turns + 1
            episode.reply(self.tokenizer.decode(written.token_ids, skip_special_tokens=True).strip())
            if episode.ended or len(episode.contexts) > number:
                break
            if written.token_ids[-1] != end:  # cut at max_tokens
                ids, mask, scores = [*ids, end], [*mask, 0], [*scores, 0.0]
            merged, more_mask, more_scores = await self.ct_merge_context_msg(
                episode.messages[:-1], list(episode.messages), ids, mask, scores
            )
            if len(more_mask) + self.max_tokens > room:
                break
            ids, mask, scores = merged.token_ids, more_mask, more_scores
        return AgentLoopOutput(
            prompt_ids=ids[:start],
            response_ids=ids[start:][:room],
            response_mask=mask[:room],
            response_logprobs=scores[:room],
            num_turns=2 * turns,
            metrics=AgentLoopMetrics(),
            extra_fields={"turn_scores": list(episode.rewards), "tool_rewards": []},
        )


class EpisodeTool(BaseTool):  # type: ignore[misc]
    """The tool ``act``. verl makes an instance for each call, so episodes are kept by the conversation they are of."""

    def __init__(self, config: dict[str, Any], tool_schema: OpenAIFunctionToolSchema | None = None) -> None:
        super().__init__(config, tool_schema or OpenAIFunctionToolSchema.model_validate(ACT))
        self.rows: dict[str, Any] = {}
        self.agents: WeakKeyDictionary[Any, TextAgent] = WeakKeyDictionary()

    async def create(
        self, instance_id: str | None = None, create_kwargs: Any = None, **named: Any
    ) -> tuple[str, ToolResponse]:
        """Note the row."""
        instance, response = await super().create(instance_id)
        self.rows[instance] = create_kwargs
        return instance, response

    async def execute(
        self, instance_id: str, parameters: dict[str, Any], agent_data: Any = None, **named: Any
    ) -> tuple[ToolResponse, float, dict[str, Any]]:
        """Carry out a command; the first one begins the episode."""
        try:
            if agent_data not in self.agents:
                agent = TextAgent()
                agent.reset(**self.rows[instance_id])
                self.agents[agent_data] = agent
            agent = self.agents[agent_data]
            before, answer = agent.get_reward(), agent.act(str(parameters.get("command", "")))
            return ToolResponse(text=answer), agent.get_reward() - before, {}
        except EpisodeError as error:
            agent_data.extra_fields[ERROR] = str(error)  # verl tells the policy and goes on
            raise

    async def release(self, instance_id: str, **named: Any) -> None:
        """Forget the row."""
        self.rows.pop(instance_id, None)
