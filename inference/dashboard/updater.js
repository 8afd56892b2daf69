// What the updater is doing: candles it has of those it wants, and what is being trained.

import { badge, byId, make, say } from "./elements.js";
import { age, sentence, topicName, whole } from "./words.js";

const SILENT_AFTER = 60_000;
const LEVELS = { ready: "good", filling: "waiting", training: "waiting", "waiting to be trained": "waiting", "no data": "bad", failed: "bad" };

/** The heartbeat, topic by topic. */
export const showUpdater = (updater, topics, now) => {
  say(byId("updater-words"), words(updater, now));
  const list = byId("updater-topics");
  const known = topics.filter((topic) => updater.topics?.[topic.topic_id]);
  list.hidden = known.length === 0;
  list.replaceChildren(...known.map((topic) => line(topic, updater.topics[topic.topic_id], silence(updater, now) > SILENT_AFTER)));
};

const words = (updater, now) => {
  if (updater.heard === null) return "It has never been heard of. Start it, or nothing will be fetched and trained.";
  const silent = silence(updater, now);
  if (silent > SILENT_AFTER) return `It was last heard of ${age(silent)} ago. Nothing is being fetched or trained.`;
  return `${sentence(updater.state)}. Heard of ${age(silent)} ago.`;
};

const silence = (updater, now) => now - Date.parse(updater.heard);

/** What a silent updater said last is no longer good news. */
const line = (topic, progress, silent) => {
  const { have, want, state, detail } = progress;
  const id = `progress-${topic.topic_id}`;
  return make("li", {},
    make("span", { class: "progress-name", id }, topicName(topic)),
    make("progress", { max: want || 1, value: want ? have : 0, "aria-labelledby": id }),
    make("span", { class: "progress-count" }, want ? `${whole(have)} of ${whole(want)} candles` : "not counted yet"),
    make("span", { class: "progress-state" }, badge((!silent && LEVELS[state]) || "quiet", silent ? `was ${state}` : state), detail && state !== "ready" ? make("span", { class: "aside" }, detail) : null));
};
