// What the worker took to submit for the picked topic, nonce by nonce, and what came of it.

import { badge, byId, make } from "./elements.js";
import { clock, valueText } from "./words.js";

/** The newest submissions of one topic, as /scores lists them. */
export const showSubmissions = (score) => {
  byId("submitted").hidden = score.recent.length === 0;
  byId("submissions").replaceChildren(...score.recent.map((each) => row(each, score.target)));
};

const row = ({ base, end, value, baseline, actual, accepted }, target) => make("tr", {},
  make("th", { scope: "row" }, clock(Date.parse(base))),
  make("td", {}, clock(Date.parse(end))),
  make("td", {}, valueText(value, target)),
  make("td", {}, baseline === null ? "–" : valueText(baseline, target)),
  make("td", {}, actual === null ? "not known yet" : valueText(actual, target)),
  make("td", {}, accepted ? badge("good", "accepted") : badge("quiet", "not said")));
