"""config.json: what is accepted, what is refused, and how clearly."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

from node.catalogue import CATALOGUE
from node.config import Config, ConfigFile, load_config, parse_config
from node.durations import Duration, Interval
from node.errors import ConfigError
from node.topics import Target, Task, check_horizon
from tests.support.paths import ROOT


def config_text(*entries: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"worker": list(entries) or [{"topicId": 1}], **sections})


def test_the_root_config_runs_the_six_topics_in_dry_run() -> None:
    config = load_config(ROOT / "config.json")
    tasks = [str(topic.task) for topic in config.topics("http://localhost:8000")]
    assert tasks == ["ETH/price-10m", "BTC/price-10m", "SOL/price-5m", "BNB/price-20m", "ARB/price-20m", "BTC/price-24h"]
    assert config.network == "testnet"
    assert config.wallet.submit_tx is False


def test_a_topic_number_alone_is_filled_in_from_the_catalogue_of_the_network() -> None:
    on_testnet, on_mainnet = (
        parse_config(config_text({"topicId": 9}, network=network)).topics("http://x")[0] for network in ("testnet", "mainnet")
    )
    assert (str(on_testnet.task), on_testnet.loss, on_testnet.epoch_blocks) == ("ARB/price-20m", "mse", 240)
    assert (str(on_mainnet.task), on_mainnet.loss, on_mainnet.epoch_blocks) == ("ETH/price-8h", "mse", 60)


def test_the_endpoint_template_knows_the_topic_and_every_parameter() -> None:
    parameters = {"Token": "eth", "Region": "eu", "InferenceEndpoint": "http://h/{Region}/{Token}/{TopicId}?b={BlockHeight}"}
    topic = parse_config(config_text({"topicId": 1, "parameters": parameters})).topics("http://unused")[0]
    assert topic.endpoint == "http://h/eu/ETH/1?b={BlockHeight}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (config_text({"topicIdd": 1}), ["worker[0].topicIdd", "did you mean 'topicId'"]),
        (config_text(wallet={"submittxt": True}), ["wallet.submittxt", "'submitTx'"]),
        (config_text(updatr={}), ["updatr", "'updater'"]),
        (config_text({"topicId": 1, "parameters": {"Horizn": "5m"}}), ["parameters.Horizn", "'Horizon'"]),
        (config_text({"topicId": 1, "parameters": {"Horizon": "5x"}}), ["worker[0]", "'5x'", "10m"]),
        (config_text({"topicId": 1, "parameters": {"Horizon": "31d"}}), ["31d", "1m to 30d"]),
        (config_text({"topicId": 1, "parameters": {"Horizon": "90s"}}), ["90s", "whole number"]),
        (config_text({"topicId": 1, "parameters": {"Token": "../etc"}}), ["not a token"]),
        (config_text({"topicId": 1, "parameters": {"Model": "oracle"}}), ["'oracle'", "birnn"]),
        (config_text({"topicId": 1, "parameters": {"InferenceEndpoint": "http://h/{Tokn}"}}), ["{Tokn}"]),
        (config_text({"topicId": 4000}), ["4000", "Token and Target and Horizon"]),
        (config_text({"topicId": 4}), ["retired"]),
        (config_text({"topicId": 1}, {"topicId": 1}), ["topic 1 stands 2 times"]),
        (config_text(updater={"retrainEvery": "a day"}), ["updater.retrainEvery", "'a day'"]),
        (config_text(updater={"historyDays": 0}), ["updater.historyDays"]),
        ('{"worker": []}', ["at least 1"]),
        ('{"worker": [{"topicId": 1}', ["line 1", "column"]),
        ("[]", ["object"]),
        ("[" * 100_000, ["not JSON"]),
    ],
)
def test_a_wrong_config_says_where_and_what_to_write_instead(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    for word in words:
        assert word in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("sources", [[], ["binance", "kraken", "binance"], ["coinbase"], "binance"])
def test_sources_are_known_and_named_once(sources: Any) -> None:
    with pytest.raises(ConfigError, match=r"updater\.sources"):
        parse_config(json.dumps({"worker": [{"topicId": 1}], "updater": {"sources": sources}}))


def test_a_config_cannot_be_changed_once_loaded() -> None:
    config = parse_config(config_text())
    with pytest.raises(ValidationError):
        config.network = "mainnet"  # type: ignore[misc]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_json_that_is_no_config_is_one_readable_error(content: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config\.json"):
        parse_config(json.dumps(content))


@given(st.text(max_size=300))
def test_any_text_that_is_no_config_is_one_readable_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text)


def test_an_edit_takes_effect_and_a_bad_one_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(config_text({"topicId": 1}))
    config = ConfigFile(path)
    assert not config.changed()

    path.write_text(config_text({"topicId": 1}, {"topicId": 3}))
    assert config.changed()
    good = config.current
    assert [entry.topic_id for entry in good.worker] == [1, 3]

    path.write_text('{"worker": [')
    assert not config.changed()
    path.unlink()
    assert not config.changed()
    assert config.current is good


def test_overrides_are_laid_over_the_file_key_by_key_and_stay_so_when_it_is_edited(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"worker": [{"topicId": 1}], "wallet": {"feeTier": "eco", "submitTx": False}}))
    config = ConfigFile(path, {"wallet": {"submitTx": True}, "updater": {"historyDays": 3}})
    seen = config.current
    assert (seen.wallet.submit_tx, seen.wallet.fee_tier, seen.updater.history_days) == (True, "eco", 3)

    path.write_text(json.dumps({"worker": [{"topicId": 3}], "wallet": {"submitTx": False}}))
    assert config.changed()
    assert (config.current.wallet.submit_tx, config.current.worker[0].topic_id) == (True, 3)
    with pytest.raises(ConfigError, match="submitTxs"):
        ConfigFile(path, {"wallet": {"submitTxs": True}})


def test_a_missing_or_huge_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.json")
    (tmp_path / "huge.json").write_text(" " * 1_000_001)
    with pytest.raises(ConfigError, match="larger"):
        load_config(tmp_path / "huge.json")


def test_every_topic_of_the_catalogue_can_be_asked_for_by_its_number() -> None:
    for network, topics in CATALOGUE.items():
        for number, known in topics.items():
            topic = parse_config(config_text({"topicId": number}, network=network)).topics("http://x")[0]
            assert topic.task == known.task


@given(st.integers(1, 40_000))
def test_a_duration_reads_back_what_it_writes(minutes: int) -> None:
    duration = Duration(minutes * 60_000)
    assert Duration.parse(str(duration)) == duration


@given(st.sampled_from(Target), st.integers(1, 30 * 24 * 60))
def test_every_accepted_horizon_is_a_whole_number_of_its_bars(target: Target, minutes: int) -> None:
    duration = Duration(minutes * 60_000)
    try:
        check_horizon(duration)
    except ValueError:
        return
    task = Task("BTC", target, duration)
    assert task.steps * task.interval.ms == duration.ms
    assert task.steps >= 1


def test_longer_horizons_use_longer_bars_and_volatility_stays_on_minutes() -> None:
    intervals = [Task("BTC", Target.PRICE, Duration.parse(text)).interval for text in ("10m", "1h", "8h", "24h")]
    assert intervals == [Interval.MINUTE, Interval.FIVE_MINUTES, Interval.QUARTER, Interval.HOUR]
    assert Task("BTC", Target.VOLATILITY, Duration.parse("4h")).interval is Interval.MINUTE


def test_history_reaches_as_many_bars_back_as_minutes_but_never_past_four_years() -> None:
    updater = Config.model_validate(json.loads(config_text())).updater
    days = {
        interval: updater.history_ms(interval) // 86_400_000 for interval in (Interval.MINUTE, Interval.FIVE_MINUTES, Interval.HOUR)
    }
    assert days == {Interval.MINUTE: 90, Interval.FIVE_MINUTES: 450, Interval.HOUR: 1460}


@pytest.mark.parametrize("spoil", ["deleted", "a folder", "no text", "a dead link"])
def test_a_file_that_cannot_be_read_any_more_changes_nothing_and_is_taken_up_again(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(config_text({"topicId": 1}))
    config = ConfigFile(path)
    good = config.current
    path.unlink()
    if spoil == "a folder":
        path.mkdir()
    elif spoil == "no text":
        path.write_bytes(b"\xff\xfe{}")
    elif spoil == "a dead link":
        path.symlink_to(tmp_path / "nowhere")
    with capture_logs() as logs:
        assert [config.changed() for _ in range(3)] == [False] * 3
    assert [entry["event"] for entry in logs] == ["config refused, the last good one stays in force"], "said once"
    assert config.current is good

    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(config_text({"topicId": 3}))
    assert config.changed()
    assert [entry.topic_id for entry in config.current.worker] == [3]


def test_edited_many_times_a_second_only_whole_configs_are_in_force_and_the_last_one_stays(tmp_path: Path) -> None:
    """The editor writes in place, so that a reader meets half-written files."""
    path = tmp_path / "config.json"
    path.write_text(config_text({"topicId": 1}))
    config = ConfigFile(path)
    done = threading.Event()

    def edit() -> None:
        for number in range(60):
            topics = [1, 3, 37][: number % 3 + 1]
            text = config_text(*({"topicId": topic} for topic in topics))
            with path.open("w") as file:
                for part in (text[:20], text[20:]):
                    file.write(part)
                    file.flush()
                    done.wait(0.005)
        path.write_text(config_text({"topicId": 37}))
        done.set()

    editor = threading.Thread(target=edit)
    editor.start()
    seen = set()
    while not done.is_set():
        config.changed()
        seen.add(tuple(entry.topic_id for entry in config.current.worker))
    editor.join()
    config.changed()
    assert seen <= {(1,), (1, 3), (1, 3, 37), (37,)}
    assert len(seen) > 1
    assert [entry.topic_id for entry in config.current.worker] == [37]
