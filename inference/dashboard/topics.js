// The topics: buttons to pick one, and the table of them all.

import { badge, byId, make } from "./elements.js";
import { shortReason } from "./headline.js";
import { age, clock, shortVersion, skillText, targetName, topicName, valueText, versionTime } from "./words.js";

/** Radio buttons, one a topic, in the order of config.json. `pick` is told which one is chosen. */
export const showPicker = (topics, picked, pick) => {
  const place = byId("picker");
  const shape = JSON.stringify(topics.map((topic) => [topic.topic_id, topicName(topic)]));
  if (place.dataset.shape !== shape) {
    place.dataset.shape = shape;
    place.replaceChildren(...topics.map((topic) => choice(topic, pick)));
  }
  for (const topic of topics) {
    const input = byId(`topic-${topic.topic_id}`);
    input.checked = topic.topic_id === picked;
    const level = levelOf(topic);
    if (input.dataset.level !== level) {
      input.dataset.level = level;
      input.labels[0].querySelector(".state").replaceChildren(badge(level, wordOf(topic)));
    }
  }
};

/** The table of them all. */
export const showTopics = (topics, updater, now) => {
  byId("topic-rows").replaceChildren(...topics.map((topic) => row(topic, updater, now)));
};

const choice = (topic, pick) => {
  const id = `topic-${topic.topic_id}`;
  const input = make("input", { type: "radio", name: "topic", id, value: topic.topic_id });
  input.addEventListener("change", () => pick(topic.topic_id));
  return make("span", { class: "choice" }, input,
    make("label", { for: id },
      make("span", { class: "token" }, topic.token),
      make("span", { class: "target" }, `${targetName(topic.target)} ${topic.horizon}`),
      make("span", { class: "state" })));
};

const row = (topic, updater, now) => make("tr", { role: "row" },
  make("th", { role: "rowheader", scope: "row", class: "whole-line" }, topicName(topic), make("span", { class: "aside" }, `topic ${topic.topic_id}`)),
  cell("Health", badge(levelOf(topic), topic.ready ? "answering" : shortReason(topic, updater, now))),
  cell("Answer", topic.answer === null ? "–" : valueText(Number(topic.answer), topic.target), "figure"),
  cell("Age", topic.age_seconds === null ? "–" : age(topic.age_seconds * 1000), "figure"),
  cell("Champion", champion(topic, now), "whole-line"),
  cell("Skill when judged", skillText(topic.skill), "figure"),
  cell("Last asked by the worker", topic.asked ? `${age(now - Date.parse(topic.asked))} ago` : "never yet", "figure"));

const cell = (name, content, kind) => make("td", { role: "cell", class: kind, "data-name": name }, make("span", {}, content));

const champion = (topic, now) => {
  if (topic.champion === null) return "none yet";
  const made = versionTime(topic.champion);
  return make("span", { title: topic.champion }, make("code", {}, shortVersion(topic.champion)), ` of ${clock(made, now)}`);
};

const levelOf = (topic) => (topic.ready ? "good" : topic.champion === null ? "waiting" : "bad");

const wordOf = (topic) => (topic.ready ? "answering" : topic.champion === null ? "no model yet" : "not answering");
