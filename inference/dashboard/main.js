// The page's one thread: what is picked, what is known, who asks for it, and who shows it.

import { plotly } from "./charts.js";
import { connection, Feed, nodeTime } from "./feed.js";
import { byId, say } from "./elements.js";
import { showAnswer, showForecast } from "./forecast.js";
import { headline, showHeadline } from "./headline.js";
import { showModels } from "./models.js";
import { showSkill } from "./skill.js";
import { showSubmissions } from "./submissions.js";
import { showPicker, showTopics } from "./topics.js";
import { showUpdater } from "./updater.js";
import { age } from "./words.js";

/** What of a topic changes its chart. */
const CHANGES = ["topic_id", "made_from", "champion", "ready"];

const choice = readChoice();
const known = { topics: null, updater: null, models: null, scores: null, view: null, path: null };

const topic = () => known.topics?.find((each) => each.topic_id === choice.topic) ?? null;
const ofTopic = (route, query) => {
  const picked = topic();
  return picked && `${route}/${picked.token}?topic=${picked.topic_id}&${query()}`;
};

const feeds = {
  topics: new Feed({ address: () => "topics", every: 3_000, deliver: takeTopics, vital: true }),
  updater: new Feed({ address: () => "updater", every: 5_000, deliver: (updater) => learn({ updater }) }),
  models: new Feed({ address: () => "models", every: 30_000, deliver: takeModels }),
  scores: new Feed({ address: () => "scores", every: 30_000, deliver: takeScores }),
  view: new Feed({ address: () => ofTopic("candles", () => `bars=${choice.bars}`), every: 10_000, deliver: (view) => learnOfTopic({ view }) }),
  path: new Feed({
    // A topic that does not answer has no path either; asking would only be refused.
    address: () => (topic()?.ready ? ofTopic("forecast", () => `steps=${choice.steps}`) : null),
    every: 10_000,
    deliver: (path) => learnOfTopic({ path }),
    refuse: () => learnOfTopic({ path: null }),
  }),
};

/** The topics come first: what else is asked depends on which there are, and on what has changed of the picked one. */
function takeTopics(topics) {
  const before = topic();
  known.topics = topics;
  if (topic() === null) choice.topic = topics[0].topic_id;
  if (before === null) drawSkill();
  const picked = topic();
  if (!picked.ready) known.path = null;
  showPicker(topics, choice.topic, pick);
  showAll();
  if (CHANGES.every((name) => before?.[name] === picked[name])) return;
  drawForecast();
  follow();
}

function takeModels(models) {
  known.models = models;
  showModels(models, choice.topic, nodeTime());
}

function takeScores(scores) {
  known.scores = scores;
  drawSkill();
}

function drawSkill() {
  const score = known.scores?.find((each) => each.topic_id === choice.topic);
  if (score) {
    showSkill(score);
    showSubmissions(score);
  }
}

function learn(news) {
  Object.assign(known, news);
  showAll();
}

function learnOfTopic(news) {
  Object.assign(known, news);
  drawForecast();
}

function follow() {
  feeds.view.now();
  feeds.path.now();
}

function pick(id) {
  choice.topic = id;
  known.path = null;
  writeChoice();
  follow();
  drawSkill();
}

function showAll() {
  const now = nodeTime();
  showHeadline(headline(known.topics, known.updater, connection, now), connection.failedSince !== null);
  if (known.topics === null) return;
  showTopics(known.topics, known.updater, now);
  showAnswer(topic(), known.updater, pathOf(topic()), now);
  if (known.updater) showUpdater(known.updater, known.topics, now);
}

/** An answer may arrive when another topic has been picked already. */
function pathOf(picked) {
  return known.path?.topic_id === picked.topic_id ? known.path : null;
}

function drawForecast() {
  const picked = topic();
  if (picked === null) return;
  const view = known.view?.topic_id === picked.topic_id ? known.view : null;
  showAnswer(picked, known.updater, pathOf(picked), nodeTime());
  showForecast(picked, view, pathOf(picked));
}

function showHeard() {
  const { heard } = connection;
  say(byId("heard"), heard === null ? "" : `Heard from the node ${age(Date.now() - heard)} ago`);
}

/** What was picked stands in the address, so that it can be kept and passed on. */
function readChoice() {
  const said = new URLSearchParams(location.hash.slice(1));
  const number = (name, usual, most) => {
    const value = Number(said.get(name));
    return Number.isInteger(value) && value >= 1 && value <= most ? value : usual;
  };
  return { topic: number("topic", null, Number.MAX_SAFE_INTEGER), steps: number("steps", 12, 288), bars: number("bars", 50, 1000) };
}

function writeChoice() {
  history.replaceState(null, "", `#${new URLSearchParams({ topic: choice.topic, steps: choice.steps, bars: choice.bars })}`);
}

function listen() {
  const [steps, bars] = [byId("steps"), byId("bars")];
  steps.value = choice.steps;
  bars.value = [...bars.options].some((option) => option.value === String(choice.bars)) ? choice.bars : 50;
  choice.bars = Number(bars.value);
  steps.addEventListener("input", () => {
    if (!steps.value || !steps.checkValidity()) return;
    choice.steps = Number(steps.value);
    writeChoice();
    feeds.path.now();
  });
  bars.addEventListener("change", () => {
    choice.bars = Number(bars.value);
    writeChoice();
    feeds.view.now();
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("try-again").addEventListener("click", () => feeds.topics.now());
  document.addEventListener("theme", () => {
    drawForecast();
    drawSkill();
  });
  document.addEventListener("silent", showAll);
  document.addEventListener("found", () => {
    showAll();
    Object.values(feeds).filter((feed) => !feed.vital).forEach((feed) => feed.now());
  });
  setInterval(showHeard, 1_000);
}

listen();
plotly().catch(() => {}); // Whoever draws asks again, and says what is wrong.
feeds.topics.now();
feeds.updater.now();
feeds.models.now();
feeds.scores.now();
