"""What a command works on: the settings of this machine, config.json with what is laid over it, and its topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.config import Config, load_config
from node.environment import Settings, load_settings
from node.errors import ConfigError
from node.topics import Topic


@dataclass(frozen=True, slots=True)
class Place:
    """The node as it is configured here."""

    settings: Settings
    config: Config
    topics: tuple[Topic, ...]

    def topic(self, number: int) -> Topic:
        """The topic of that number; ConfigError naming those there are."""
        for topic in self.topics:
            if topic.id == number:
                return topic
        known = ", ".join(str(topic.id) for topic in self.topics)
        raise ConfigError(f"topic {number} is not in {self.settings.config_file}", hint=f"Its topics are {known}.")

    def chosen(self, numbers: Sequence[int] | None) -> tuple[Topic, ...]:
        """These topics, or all of them if none is named."""
        return tuple(self.topic(number) for number in dict.fromkeys(numbers)) if numbers else self.topics


def find_node() -> Place:
    """Read the environment and config.json as the processes do; ConfigError for anything wrong with them."""
    settings = load_settings()
    config = load_config(settings.config_file, settings.config_overrides)
    return Place(settings, config, config.topics(settings.inference_url))
