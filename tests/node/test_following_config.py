"""What fails while a new configuration is taken up leaves the old one in force, also over the end of a process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from node.config import ConfigFile, load_config
from node.config.file_watching import SharedText
from node.errors import ConfigError


def text_of(*topics: int) -> str:
    return json.dumps({"worker": [{"topicId": topic} for topic in topics]})


def topics_of(config: ConfigFile) -> list[int]:
    return [entry.topic_id for entry in config.current.worker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(text_of(1))
    return path


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether `work` succeeds in a forked process, which ends without a goodbye."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("error", [ConfigError("cannot be", hint="another"), RuntimeError("a fault"), OSError("a disk")])
def test_what_cannot_be_taken_up_is_said_and_the_one_before_is_taken_up_again(path: Path, error: Exception) -> None:
    config, taken = ConfigFile(path), []

    def take_up() -> None:
        taken.append(topics_of(config))
        if topics_of(config) == [3]:
            raise error

    path.write_text(text_of(3))
    with capture_logs() as logs:
        assert not config.follow(take_up)
        assert not config.follow(take_up)
    assert taken == [[3], [1]]
    assert [line["reason"] for line in logs if "refused" in line["event"]] == [str(error)]
    path.write_text(text_of(1, 3))
    assert config.follow(take_up)
    assert topics_of(config) == [1, 3]


def test_a_process_that_takes_the_place_of_another_goes_on_with_what_that_had_in_force(path: Path) -> None:
    config = ConfigFile(path)
    config.share()
    path.write_text(text_of(1, 3))
    assert in_a_child(lambda: config.changed() and topics_of(config) == [1, 3])
    path.write_text('{"worker": [')

    def resumes() -> bool:
        config.resume()
        return topics_of(config) == [1, 3] and not config.changed() and topics_of(config) == [1, 3]

    assert in_a_child(resumes)
    path.write_text(text_of(37))
    assert in_a_child(lambda: config.resume() is None and config.changed() and topics_of(config) == [37])


def test_without_an_edit_a_successor_begins_with_the_configuration_of_the_start(path: Path) -> None:
    config = ConfigFile(path)
    config.share()
    config.resume()
    assert (topics_of(config), config.changed()) == ([1], False)


@given(st.lists(st.text(max_size=2000), min_size=1, max_size=5))
def test_a_shared_text_is_what_was_written_last(texts: list[str]) -> None:
    shared = SharedText()
    assert shared.read() is None
    for text in texts:
        shared.write(text)
        assert shared.read() == (text or None)


def test_a_text_that_was_cut_off_while_it_was_written_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedText()
    shared.write("the first")
    monkeypatch.setattr("node.config.file_watching.zlib.crc32", len)
    shared.write("the second, of a writer that got something wrong")
    monkeypatch.undo()
    assert shared.read() is None


def test_a_config_with_the_mark_that_some_editors_write_is_a_config(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + text_of(3).encode())
    assert load_config(path).worker[0].topic_id == 3
    path.write_bytes(text_of(3).encode("utf-16"))
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(path)
