// The picked topic's forecast: the number in words, the chart, and the same in a table.

import { drawCandles, describe, outside } from "./candle_chart.js";
import { byId, make, say } from "./elements.js";
import { shortReason } from "./headline.js";
import { age, clock, figure, percent, sentence, spanName, topicName, valueText } from "./words.js";

/** The chart and its numbers. `path` and `view` are null until they are known, or while there are none. */
export const showForecast = (topic, view, path) => {
  showNumbers(topic, path);
  say(byId("steps-words"), stepsWords(topic, Number(byId("steps").value)));
  if (view === null) return;
  const place = byId("chart");
  const empty = view.candles.open_time.length === 0;
  byId("drawing").hidden = empty;
  byId("no-candles").hidden = !empty;
  if (empty) return;
  place.setAttribute("aria-label", describe(view, path));
  byId("key-ahead").hidden = byId("key-intervals").hidden = !path;
  byId("key-past").hidden = view.past.length === 0;
  byId("key-missed").hidden = !view.past.some(outside);
  byId("key-measured").hidden = view.target !== "volatility";
  drawCandles(place, view, path).catch((error) => say(byId("answer-words"), error.message));
};

/** The number, in words; or why there is none. */
export const showAnswer = (topic, updater, path, now) => {
  const [when, value, words] = path && topic.ready ? answered(topic, path, now) : unanswered(topic, updater, now);
  say(byId("answer-when"), when);
  say(byId("answer-value"), value);
  say(byId("answer-words"), words);
};

const answered = (topic, path, now) => {
  const last = path.steps.at(-1);
  const [low, high] = last.intervals[80];
  const when = `${topicName(topic)}, at ${clock(Date.parse(last.time), now)} UTC`;
  const between = `80 times in 100 between ${valueText(low, topic.target)} and ${valueText(high, topic.target)}.`;
  return [when, valueText(last.value, topic.target), `${move(topic, path, last)}, ${between}`];
};

const move = (topic, path, last) => {
  if (last.value === path.baseline) return BASELINE[topic.target];
  if (topic.target === "price") return `${percent((last.value / path.last_price - 1) * 100, 3)} from the last price ${figure(path.last_price)}`;
  if (topic.target === "volatility") return `${percent((last.value / path.baseline - 1) * 100, 1)} from what was measured last`;
  return `A move from ${figure(path.last_price)} to ${figure(path.last_price * Math.exp(last.value))}`;
};

const BASELINE = {
  price: "The last price itself, for the model found no skill beyond it",
  log_return: "No move, for the model found no skill beyond that",
  volatility: "As measured last, for the model found no skill beyond that",
};

const unanswered = (topic, updater, now) => {
  if (topic.ready) return [topicName(topic), valueText(Number(topic.answer), topic.target), "This model does not say how far off it has been, so there is no way ahead to draw."];
  return [topicName(topic), "No forecast", `${sentence(shortReason(topic, updater, now))}. ${topic.hint}`];
};

const stepsWords = (topic, steps) => {
  if (!(steps >= 1)) return "";
  return `${spanName(topic.horizon)} in ${steps} step${steps === 1 ? "" : "s"} of ${age(horizonOf(topic) / steps)}`;
};

const horizonOf = (topic) => {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(topic.horizon);
  return number * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[unit];
};

const showNumbers = (topic, path) => {
  const between = (step, level) => `${valueText(step.intervals[level][0], topic.target)} to ${valueText(step.intervals[level][1], topic.target)}`;
  const row = (step) => make("tr", {},
    make("th", { scope: "row" }, clock(Date.parse(step.time))),
    make("td", {}, valueText(step.value, topic.target)),
    ...[50, 80, 90].map((level) => make("td", {}, between(step, level))));
  byId("in-numbers").hidden = !path;
  byId("numbers").replaceChildren(...(path?.steps ?? []).map(row));
};
