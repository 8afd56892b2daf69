// Every model with its versions: a line of descent on the left, what became of each on the right.

import { badge, byId, definitions, make } from "./elements.js";
import { age, clock, share, shortVersion, skillText, targetName, versionTime } from "./words.js";

/** All models; the picked topic's stands open. */
export const showModels = (models, picked, now) => {
  const place = byId("model-list");
  const open = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.model));
  const first = place.childElementCount === 0;
  place.replaceChildren(...models.map((model) => entry(model, first ? model.topics.includes(picked) : open.has(model.model), now)));
};

const entry = (model, open, now) => {
  const champion = model.history.find((version) => version.version === model.champion);
  return make("details", { class: "card model", open, "data-model": model.model },
    make("summary", {},
      make("span", { class: "model-name" }, `${model.token} ${targetName(model.target)} ${model.horizon}`),
      make("span", { class: "aside" }, summary(model, champion, now))),
    model.history.length === 0
      ? make("p", { class: "note" }, "No version yet.")
      : make("ol", { class: "lineage" }, ...model.history.map((version, i) => line(version, model.history[i + 1], model, now))));
};

const summary = (model, champion, now) => {
  if (!model.champion) return "no champion yet";
  const trained = champion?.created_ms ? `, trained ${age(now - champion.created_ms)} ago` : "";
  return `champion ${shortVersion(model.champion)}${trained}, ${model.history.length} version${model.history.length === 1 ? "" : "s"}`;
};

/** A version; a line leads down to the one below if it came from that. */
const line = (version, below, model, now) => {
  if (version.error) {
    return make("li", {}, node("bad"), make("div", {}, title(version, badge("bad", "damaged")), make("p", {}, version.error)));
  }
  const [level, word] = fate(version, model);
  return make("li", { class: version.parent && version.parent === below?.version && "joined" },
    node(level),
    make("div", {},
      title(version, badge(level, word), version.version === model.serving && version.version !== model.champion ? badge("good", "serving") : null),
      make("p", { class: "descent" }, `${clock(version.created_ms, now)}, ${descent(version, model, now)}`),
      make("p", {}, version.version === model.champion ? model.reason : version.reason),
      scores(version)));
};

const title = (version, ...badges) => make("p", { class: "version" }, make("code", { title: version.version }, shortVersion(version.version)), ...badges);

const fate = (version, model) => {
  if (version.version === model.champion) return ["good", "champion"];
  if (model.former_champions.includes(version.version)) return ["quiet", "former champion"];
  return version.promoted_by_gate ? ["quiet", "passed the gate"] : ["bad", "refused"];
};

const descent = (version, model, now) => {
  if (!version.parent) return "from scratch";
  const kept = model.history.some((other) => other.version === version.parent);
  return `from ${shortVersion(version.parent)} of ${clock(versionTime(version.parent), now)}${kept ? "" : ", which is no longer kept"}`;
};

const scores = ({ scores: found, shrinkage }) => make("dl", { class: "scores" }, ...definitions([
  ["Skill", skillText(found.skill)],
  ["RMSE to baseline", found.ratio?.toFixed(4)],
  ["Direction right", share(found.directional_accuracy)],
  ["Inside 80 %", share(found.coverage_80)],
  ["Judged on", found.n_effective && `${Math.round(found.n_effective)} forecasts`],
  ["Grade", found.grade],
  ["Trust in the network", shrinkage?.toFixed(2)],
]));

const node = (level) => make("span", { class: "node", "data-level": level, "aria-hidden": "true" });
