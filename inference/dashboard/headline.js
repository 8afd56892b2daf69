// The first thing to read: how the node is, in one sentence, and what is wrong, topic by topic.

import { byId, make, say } from "./elements.js";
import { age, clock, clockWithSeconds, count, plainReason, sentence, topicName } from "./words.js";

/** What the page says first. `level` is good, waiting or bad. */
export const headline = (topics, updater, connection, now) => {
  if (connection.failedSince !== null) return unreachable(connection, now);
  if (topics === null) return { level: "waiting", title: "Asking the node how it is", reasons: [] };
  const failing = topics.filter((topic) => !topic.ready);
  if (failing.length === 0) return { level: "good", title: allAnswer(topics), reasons: [] };
  const level = failing.every((topic) => topic.champion === null) ? "waiting" : "bad";
  const reasons = failing.map((topic) => shortReason(topic, updater, now));
  const lines = failing.map((topic, i) => `${topicName(topic)}: ${reasons[i]}`);
  if (lines.length === 1) return { level, title: lines[0], reasons: [restAnswers(topics), failing[0].hint].filter(Boolean) };
  const alike = reasons.every((reason) => reason === reasons[0]);
  return { level, title: someAnswer(topics, failing), reasons: alike ? [sentence(reasons[0]), failing[0].hint] : lines };
};

/** Why a topic does not answer, in few words. */
export const shortReason = (topic, updater, now) => {
  if (topic.ready) return "answering";
  if (topic.champion === null) return waitingFor(topic, updater);
  if (topic.overdue_since) return `no fresh candle since ${clock(Date.parse(topic.overdue_since), now)}`;
  return plainReason(topic);
};

/** Show it. */
export const showHeadline = (said, canTry) => {
  byId("headline").dataset.level = said.level;
  say(byId("headline-title"), said.title);
  const list = byId("headline-reasons");
  const shown = [...list.children].map((line) => line.textContent);
  if (shown.join("\n") !== said.reasons.join("\n")) list.replaceChildren(...said.reasons.map((line) => make("li", {}, line)));
  byId("try-again").hidden = !canTry;
};

const unreachable = (connection, now) => ({
  level: "bad",
  title: "The node cannot be reached",
  reasons: connection.heard === null
    ? ["Is inference running? This page tries again by itself."]
    : [`What is shown below is from ${clockWithSeconds(connection.heard)} UTC, ${age(now - connection.heard)} old. This page tries again by itself.`],
});

const allAnswer = (topics) => {
  if (topics.length === 1) return `${topicName(topics[0])} is answering`;
  if (topics.length === 2) return "Both topics are answering";
  return `All ${count(topics.length)} topics are answering`;
};

const someAnswer = (topics, failing) => {
  if (failing.length === topics.length) {
    return failing.every((topic) => topic.champion === null) ? "No topic has a model yet" : "No topic is answering";
  }
  return sentence(`${count(failing.length)} of ${count(topics.length)} topics are not answering`);
};

const restAnswers = (topics) => {
  if (topics.length === 1) return "";
  return topics.length === 2 ? "The other topic is answering." : `The other ${count(topics.length - 1)} topics are answering.`;
};

const waitingFor = (topic, updater) => {
  const progress = updater?.topics?.[topic.topic_id];
  if (!progress) return plainReason(topic);
  if (progress.state === "filling" && progress.want) return `no model yet, ${Math.floor((100 * progress.have) / progress.want)} % of its candles are there`;
  if (progress.state === "training") return "no model yet, the first one is being trained";
  return `no model yet, ${progress.state}`;
};
