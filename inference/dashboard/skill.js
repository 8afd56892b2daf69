// How the picked topic's answers turned out, over all of them and over time.

import { axis, colour, drawChart } from "./charts.js";
import { byId, definitions, say } from "./elements.js";
import { clock, share, skillText, spanName, topicName, whole } from "./words.js";

/** What /scores says of one topic. */
export const showSkill = (score) => {
  const { rolling } = score;
  say(byId("skill-words"), words(score));
  byId("skill-scores").replaceChildren(...definitions(figures(score)));
  const place = byId("skill-chart");
  place.hidden = rolling.skill.length < 2;
  if (place.hidden) return;
  place.setAttribute("aria-label", describe(score));
  draw(place, score).catch((error) => say(byId("skill-words"), error.message));
};

const words = (score) => {
  if (score.scored === null) return `${topicName(score)}: not scored yet since inference was started.`;
  if (score.answers + score.submissions === 0) return `${topicName(score)}: no answer has been given yet.`;
  if (score.overall === null) return `${topicName(score)}: ${whole(score.answers)} answers given; what came of them is known ${spanName(score.horizon)} after each.`;
  const { n, skill } = score.overall;
  const verdict = skill > 0 ? "better than the baseline" : skill < 0 ? "worse than the baseline" : "exactly the baseline";
  const what = score.basis === "submissions" ? "submission" : "answer";
  return `${topicName(score)}: ${verdict} over ${whole(n)} ${what}${n === 1 ? "" : "s"} since ${clock(score.overall.first_ms)}.`;
};

const figures = ({ overall, basis }) => overall && [
  ["Skill", skillText(overall.skill)],
  ["Below the baseline as scored", overall.log10_loss == null ? null : (overall.baseline_log10_loss - overall.log10_loss).toFixed(4)],
  ["Direction right", share(overall.directional_accuracy)],
  ["Inside 50 %", share(overall.coverage_50)],
  ["Inside 80 %", share(overall.coverage_80)],
  ["Inside 90 %", share(overall.coverage_90)],
  [basis === "submissions" ? "Independent submissions" : "Independent answers", Math.round(overall.n_effective)],
];

const describe = ({ rolling, rolling_over: span }) =>
  `Skill over the last ${spanName(span)}, from ${clock(rolling.open_time[0])} to ${clock(rolling.open_time.at(-1))}: ` +
  `lowest ${skillText(Math.min(...rolling.skill))}, highest ${skillText(Math.max(...rolling.skill))}, newest ${skillText(rolling.skill.at(-1))}.`;

const draw = (place, { rolling, rolling_over: span }) => {
  const skill = {
    type: "scatter",
    mode: "lines",
    x: rolling.open_time,
    y: rolling.skill.map((value) => value * 100),
    line: { color: colour("accent"), width: 2 },
    text: rolling.skill.map((value, i) => `${clock(rolling.open_time[i])}<br><b>${skillText(value)}</b> over ${spanName(span)}`),
    hovertemplate: "%{text}<extra></extra>",
  };
  const furthest = Math.max(1, ...rolling.skill.map((value) => Math.abs(value) * 140)); // Room for the words above and below.
  const zero = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: colour("line-strong"), width: 1, dash: "dash" } };
  return drawChart(place, [skill], {
    xaxis: axis({ type: "date", automargin: true, nticks: place.clientWidth < 480 ? 4 : 8 }),
    yaxis: axis({ side: "right", automargin: true, ticksuffix: " %", range: [-furthest, furthest], nticks: 5 }),
    shapes: [zero],
    annotations: [["better", "top", 1], ["worse", "bottom", 0]].map(([text, yanchor, y]) => (
      { text, x: 0, y, xref: "paper", yref: "paper", xanchor: "left", yanchor, showarrow: false, font: { color: colour("quiet"), size: 12 } })),
  });
};
