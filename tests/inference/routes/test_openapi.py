"""/openapi.json and the routes say the same: both ways, in every state of the node, whatever is asked."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from schemathesis import GenerationMode
from schemathesis.config import (
    ChecksConfig,
    CoveragePhaseConfig,
    NotAServerErrorConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from werkzeug.test import TestResponse

from inference.application import ROUTES
from inference.routes import openapi
from inference.routes.candles import BARS
from inference.routes.forecast import STEPS
from inference.routes.openapi import describe_routes
from inference.routes.route import list_routes
from inference.routes.updater import UpdaterTopic
from node.version import VERSION
from tests.inference.conftest import BTC_10M, BTC_24H, ETH_8H, INTERVALS, SOL_15M, START_MS, Node
from tests.support.paths import ROOT
from updater.progress import TopicProgress

AUTOMATIC = {"HEAD", "OPTIONS"}
"""Flask answers these wherever it answers GET."""

PLACES = {"/data/demo.db", "/models/demo", "/node/", "/tmp"}
"""What documents name that begins with a slash and is no route."""

DOCUMENT = describe_routes(ROUTES)
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
EXAMPLES = 20


def without_anything(folder: Path) -> Node:
    """Nothing fetched, nothing trained, nobody heard of."""
    node = Node(folder, [3, 69, 84, 82])
    node.watcher.poll()
    return node


def in_full(folder: Path) -> Node:
    """Every topic is answered and scored, versions have come and gone, one of them is damaged, and the updater has spoken."""
    node = Node(folder, [3, 69, 84, 82])
    tasks = (BTC_10M, BTC_24H, ETH_8H, SOL_15M)
    node.fill(*tasks, answer=0.1, intervals=INTERVALS)
    for _ in range(15):
        node.clock.advance(60)
        for task in tasks:
            node.store_candles(task)
        node.watcher.poll()
        node.ledger_writer.update_safely()
    damaged = node.promote(BTC_10M, 0.2)
    (node.models.root / "BTC/price-10m" / damaged / "manifest.json").write_bytes(b"damaged")
    node.fill(BTC_10M, answer=0.3, intervals=INTERVALS)
    progress = {"have": 10, "want": 40, "trained": False, "state": "filling", "detail": ""}
    node.heartbeats.beat("updater", START_MS, {"state": "running", "topics": {"3": progress}})
    return node


def fallen_silent(folder: Path) -> Node:
    """Candles and models are there, but no candle has come for an hour, the watcher has ended, and the database has gone."""
    node = in_full(folder)
    node.watcher.start()
    node.watcher.stop()
    node.clock.advance(3600)
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE candles")
    return node


STATES = {make.__name__: make for make in (without_anything, in_full, fallen_silent)}


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = STATES[request.param](tmp_path_factory.mktemp(request.param))
    yield node
    node.watcher.stop()
    node.engine.dispose()


def schema_at(*steps: str) -> Draft202012Validator:
    """Checks what stands at this place of the document."""
    place = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Draft202012Validator(DOCUMENT | {"$ref": f"#/{place}"}, format_checker=FormatChecker())


def check(path: str, response: TestResponse) -> None:
    """An answer is as the document has it: status, headers, kind of content, content."""
    described = DOCUMENT["paths"][path]["get"]["responses"][str(response.status_code)]
    assert {name for name, header in described.get("headers", {}).items() if header["required"]} <= set(response.headers.keys())
    if response.status_code == 304:
        assert response.data == b""
        return
    assert response.mimetype in described["content"]
    body = gzip.decompress(response.data) if "Content-Encoding" in response.headers else response.data
    content = json.loads(body) if response.mimetype == "application/json" else body.decode()
    place = ("paths", path, "get", "responses", str(response.status_code), "content", response.mimetype, "schema")
    schema_at(*place).validate(content)


def asked(path: str, token: str = "BTC", **query: int) -> str:
    files = {"digest": "0a1b2c3d4e5f", "name": "main.js"}
    where = path.format(token=token, **files)
    return f"{where}?{'&'.join(f'{name}={value}' for name, value in query.items())}" if query else where


def test_the_document_is_served_and_tells_its_version(node: Node) -> None:
    response = node.client.get(openapi.ROUTE.path)
    assert json.loads(response.data) == DOCUMENT
    assert DOCUMENT["info"]["version"] == VERSION != "unknown"
    assert node.client.get(openapi.ROUTE.path, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
    for name in DOCUMENT["components"]["schemas"]:
        Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_every_route_is_described_and_every_described_route_is_there(node: Node) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in node.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - AUTOMATIC
    }
    assert routes == set(OPERATIONS)


def test_every_route_has_the_name_it_has_in_metrics(node: Node) -> None:
    names = {rule.rule: rule.endpoint for rule in node.client.application.url_map.iter_rules()}
    assert {route.path: route.endpoint for route in ROUTES} == names


def test_every_parameter_of_a_path_is_described() -> None:
    for route in ROUTES:
        assert re.findall(r"<(\w+)>", route.path) == [parameter.name for parameter in route.path_parameters]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_of_a_route_is_as_described(state: Node, path: str, method: str) -> None:
    topics = {"BTC": 3, "ETH": 84, "SOL": 82} if "{token}" in path else {"": 0}
    for token, topic in topics.items():
        answers = [state.client.get(asked(path, token)), state.client.get(asked(path, token, topic=topic))]
        if "ETag" in answers[0].headers:
            answers.append(state.client.get(asked(path, token), headers={"If-None-Match": answers[0].headers["ETag"]}))
        answers.append(state.client.get(asked(path, token), headers={"Accept": "text/html", "Accept-Encoding": "gzip"}))
        for answer in answers:
            check(path, answer)
            answer.close()


def test_bounds_are_those_that_hold(node: Node) -> None:
    node.fill(BTC_10M, intervals=INTERVALS)
    for parameter, path in ((STEPS, "/forecast/BTC"), (BARS, "/candles/BTC")):
        least, most = parameter.minimum, parameter.maximum
        statuses = [node.get(f"{path}?{parameter.name}={value}")[0] for value in (least - 1, least, most, most + 1)]
        assert statuses == [400, 200, 200, 400]
        assert node.get(path) == node.get(f"{path}?{parameter.name}={parameter.default}")


@pytest.mark.parametrize("path", ["/inference/DOGE", "/forecast/BTC?topic=84", "/candles/BTC?bars=x", "/inference/BTC?topic=x"])
def test_every_refusal_has_a_code_that_is_described(node: Node, path: str) -> None:
    node.watcher.poll()
    response = node.client.get(path)
    described = DOCUMENT["paths"][re.sub(r"^(/\w+/).*", r"\1{token}", path)]["get"]["responses"][str(response.status_code)]
    assert json.loads(response.data)["error"]["code"] in described["content"]["application/json"]["examples"]


def test_every_example_of_an_answer_fits_its_schema() -> None:
    schema = schema_at("components", "schemas", "ErrorAnswer")
    for path, method in OPERATIONS:
        for response in DOCUMENT["paths"][path][method]["responses"].values():
            for example in response.get("content", {}).get("application/json", {}).get("examples", {}).values():
                schema.validate(example["value"])


def test_the_heartbeat_s_topics_hold_what_the_updater_tells() -> None:
    assert UpdaterTopic.__required_keys__ == {field.name for field in fields(TopicProgress)}


def narrowed() -> dict[str, Any]:
    """The document with tokens and topics of which some exist here, so that more than refusals is tried."""
    copy = json.loads(json.dumps(DOCUMENT))
    for path, method in OPERATIONS:
        for parameter in copy["paths"][path][method]["parameters"]:
            if parameter["name"] == "token":
                parameter["schema"] = {"type": "string", "enum": ["BTC", "eth", "Sol", "DOGE"]}
            if parameter["name"] == "topic":
                parameter["schema"]["maximum"] = 90
    return copy


def without_moments(source: dict[str, Any]) -> dict[str, Any]:
    """The document without `nonce_time`: which moments have an answer depends on the time, which no schema knows."""
    copy = json.loads(json.dumps(source))
    inference = copy["paths"]["/inference/{token}"]["get"]
    inference["parameters"] = [parameter for parameter in inference["parameters"] if parameter["name"] != "nonce_time"]
    return copy


def loaded(source: dict[str, Any], node: Node) -> Any:
    """The document as a schema that asks this node. Not being ready is no fault."""
    allowed = NotAServerErrorConfig(expected_statuses=["2xx", "3xx", "4xx", "503"])
    edges = PhasesConfig(coverage=CoveragePhaseConfig(generate_duplicate_query_parameters=True))
    project = ProjectConfig(checks=ChecksConfig(not_a_server_error=allowed), phases=edges)
    schema = schemathesis.openapi.from_dict(
        without_moments(source), config=SchemathesisConfig(projects=ProjectsConfig(default=project))
    )
    schema.app = node.client.application
    return schema


OF_A_TOPIC = [route.path.replace("<token>", "{token}") for route in ROUTES if "<token>" in route.path]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", OF_A_TOPIC)
def test_whatever_is_asked_the_answer_is_as_described(state: Node, path: str, mode: GenerationMode) -> None:
    cases = st.one_of(*(loaded(source, state)[path]["GET"].as_strategy(mode) for source in (narrowed(), DOCUMENT)))

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate()

    ask()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_at_the_edges_of_every_parameter_and_by_every_method_the_answer_is_as_described(state: Node, path: str) -> None:
    schema = loaded(narrowed(), state)
    modes, how = list(GenerationMode), schema.config.generation
    cases = list(schema.iter_coverage_cases(schema[path]["GET"], generation_modes=modes, generation_config=how))
    assert {case.method for case in cases} > {"GET", "POST", "PUT", "DELETE"}
    for case in cases:
        case.call_and_validate()


def test_the_page_of_routes_lists_every_route_with_its_bounds() -> None:
    page = (ROOT / "docs/http.md").read_text()
    listed = set(re.findall(r"^\| `(/[^`]*)` \|", page, re.MULTILINE))
    assert listed == {line.split()[0] for line in list_routes(ROUTES).splitlines()}
    for parameter in (STEPS, BARS):
        assert "({minimum} to {maximum}, usually {default})".format(**parameter.schema) in page
    assert {"400", "404", "405", "503"} == set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))])
def test_every_route_that_a_document_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"localhost:8000(/[^\s`'?]*)|`(?:GET )?(/[^\s`?]*)[^`\n]*`", text)
    patterns = [re.sub(r"<\w+>", r"[^/]+", route.path) for route in ROUTES]
    there = {path for path in map("".join, named) if any(re.fullmatch(pattern, path) for pattern in patterns)}
    assert {path for path in map("".join, named) if path} - there <= PLACES


def test_what_is_not_described_is_noticed(tmp_path: Path) -> None:
    """So that the tests above can fail."""
    node = without_anything(tmp_path)
    source = narrowed()
    del source["paths"]["/inference/{token}"]["get"]["responses"]["503"]
    case = loaded(source, node)["/inference/{token}"]["GET"].Case(path_parameters={"token": "BTC"}, query={"topic": 3})
    with pytest.raises(schemathesis.core.failures.FailureGroup, match="Undocumented status code"):
        case.call_and_validate()
    node.engine.dispose()


def test_it_is_written_without_docstrings_too() -> None:
    """As processes of the image are run."""
    code = """
from inference.application import ROUTES
from inference.routes.openapi import write_document
print(write_document(ROUTES).decode())
"""
    done = subprocess.run([sys.executable, "-OO", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["paths"].keys() == DOCUMENT["paths"].keys()
