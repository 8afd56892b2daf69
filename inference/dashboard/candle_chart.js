// The big chart: candles, the way ahead with its intervals, and what was forecast before.
//
// A candle is drawn around the middle of its time, so that its right edge is the moment it closed, where a forecast begins.

import { axis, colour, drawChart } from "./charts.js";
import { clock, figure, valueText } from "./words.js";

/** Draw it. `path` is the answer of /forecast, or null while there is none. */
export const drawCandles = (place, view, path) => {
  const below = view.target === "volatility";
  const traces = [candles(view)];
  const where = below ? { yaxis: "y2" } : {};
  const unit = unitOf(view);
  if (below) traces.push(measured(view, where));
  traces.push(...past(view, where, unit));
  if (path) traces.push(...ahead(view, path, where, unit));
  const layout = {
    xaxis: axis({ type: "date", rangeslider: { visible: false }, anchor: below ? "y2" : "y", automargin: true, nticks: place.clientWidth < 480 ? 4 : 8 }),
    yaxis: axis({ side: "right", automargin: true, tickformat: ",~f", domain: below ? [0.42, 1] : [0, 1] }),
    shapes: path ? [now(view, path)] : [],
  };
  if (below) layout.yaxis2 = axis({ side: "right", automargin: true, domain: [0, 0.36], ticksuffix: " %", rangemode: "tozero" });
  return drawChart(place, traces, layout);
};

/** The chart in a sentence, for who does not see it. */
export const describe = (view, path) => {
  const { close } = view.candles;
  const [low, high] = [Math.min(...view.candles.low), Math.max(...view.candles.high)];
  const seen = `${close.length} candles of ${view.symbol}, ${view.interval} each, between ${figure(low)} and ${figure(high)}, the last close ${figure(close.at(-1))}.`;
  if (!path) return `${seen} No forecast is served now.`;
  const last = path.steps.at(-1);
  const [from, to] = last.intervals[80];
  return `${seen} The forecast for ${clock(Date.parse(last.time))} UTC is ${valueText(last.value, view.target)}, 80 times in 100 between ${valueText(from, view.target)} and ${valueText(to, view.target)}.`;
};

const candles = (view) => {
  const { open_time: times, open, high, low, close } = view.candles;
  return {
    type: "candlestick",
    x: times.map((time) => time + view.interval_ms / 2),
    open, high, low, close,
    increasing: { line: { color: colour("rose"), width: 1.25 }, fillcolor: colour("card") },
    decreasing: { line: { color: colour("fell"), width: 1.25 }, fillcolor: colour("fell") },
    hoverinfo: "text",
    hovertext: times.map((time, i) =>
      `${clock(time)} to ${clock(time + view.interval_ms)}<br>open ${figure(open[i])}<br>high ${figure(high[i])}<br>low ${figure(low[i])}<br>close ${figure(close[i])}`),
  };
};

const measured = (view, where) => ({
  ...line(colour("rose"), 1.5),
  ...where,
  x: closes(view),
  y: view.volatility.map((value) => (value === null ? null : value * 100)),
  hovertemplate: "measured %{y:.4f} %<extra></extra>",
});

/** From a target's units to those of the axis: a return is drawn as the price it leads to. */
const unitOf = (view) => {
  if (view.target === "volatility") return (value) => value * 100;
  if (view.target === "log_return") return (value, from) => from * Math.exp(value);
  return (value) => value;
};

const ahead = (view, path, where, unit) => {
  const start = Date.parse(path.made_from) + view.interval_ms;
  const begin = view.target === "volatility" ? unit(path.baseline) : path.last_price;
  const times = [start, ...path.steps.map((step) => Date.parse(step.time))];
  const through = (pick) => [begin, ...path.steps.map((step) => unit(pick(step), path.last_price))];
  const bands = [90, 80, 50].flatMap((level) => [
    { ...edge(), ...where, x: times, y: through((step) => step.intervals[level][0]) },
    { ...edge(), ...where, x: times, y: through((step) => step.intervals[level][1]), fill: "tonexty", fillcolor: colour(`band-${level}`) },
  ]);
  const middle = {
    ...line(colour("accent"), 2.25),
    ...where,
    x: times,
    y: through((step) => step.value),
    text: ["", ...path.steps.map((step) => stepText(step, view.target))],
    hovertemplate: "%{text}<extra></extra>",
    mode: path.steps.length <= 24 ? "lines+markers" : "lines",
    marker: { size: times.map((_, i) => (i === 0 ? 0 : i === times.length - 1 ? 8 : 4)), color: colour("accent"), line: { width: 0 } },
  };
  return [...bands, middle];
};

const past = (view, where, unit) => {
  const answers = unbroken(view);
  if (answers.length === 0) return [];
  const times = answers.map((answer) => answer.at);
  const side = (which) => answers.map((answer) => (answer.intervals ? unit(answer.intervals[80][which], answer.last_price) : null));
  const bands = answers.some((answer) => answer.intervals)
    ? [{ ...edge(), ...where, x: times, y: side(0) }, { ...edge(), ...where, x: times, y: side(1), fill: "tonexty", fillcolor: colour("band-past") }]
    : [];
  const said = {
    ...line(colour("past"), 1.75),
    ...where,
    line: { color: colour("past"), width: 1.75, dash: "dot" },
    x: times,
    y: answers.map((answer) => (answer.value === undefined ? null : unit(answer.value, answer.last_price))),
    text: answers.map((answer) => (answer.made ? `said at ${clock(Date.parse(answer.made))}<br><b>${valueText(answer.value, view.target)}</b>` : "")),
    hovertemplate: "%{text}<extra></extra>",
  };
  const missed = answers.filter(outside);
  const misses = {
    ...where,
    type: "scatter",
    mode: "markers",
    x: missed.map((answer) => answer.at),
    y: missed.map((answer) => unit(answer.truth, answer.last_price)),
    marker: { symbol: "x-thin", size: 9, line: { width: 2, color: colour("bad") } },
    text: missed.map((answer) => `${valueText(answer.truth, view.target)}<br>outside what was said at ${clock(Date.parse(answer.made))}`),
    hovertemplate: "%{text}<extra></extra>",
  };
  return [...bands, said, misses];
};

/** Past answers with an empty one wherever the node was silent, so that no line is drawn across. */
const unbroken = (view) => view.past.flatMap((answer, i) => {
  const at = Date.parse(answer.time);
  const silent = i > 0 && at - Date.parse(view.past[i - 1].time) > 1.5 * view.interval_ms;
  return silent ? [{ at: at - view.interval_ms / 2 }, { ...answer, at }] : [{ ...answer, at }];
});

/** Whether the truth fell outside the widest interval. */
export const outside = (answer) =>
  answer.truth != null && answer.intervals && (answer.truth < answer.intervals[90][0] || answer.truth > answer.intervals[90][1]);

const stepText = (step, target) => {
  const between = (level) => `${level} in 100: ${valueText(step.intervals[level][0], target)} to ${valueText(step.intervals[level][1], target)}`;
  return `${clock(Date.parse(step.time))}<br><b>${valueText(step.value, target)}</b><br>${[50, 80, 90].map(between).join("<br>")}`;
};

const closes = (view) => view.candles.open_time.map((time) => time + view.interval_ms);

const line = (color, width) => ({ type: "scatter", mode: "lines", line: { color, width } });

const edge = () => ({ type: "scatter", mode: "lines", line: { width: 0 }, hoverinfo: "skip" });

/** The moment the forecast was made from, as a quiet line. */
const now = (view, path) => {
  const at = Date.parse(path.made_from) + view.interval_ms;
  return { type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, line: { color: colour("line-strong"), width: 1, dash: "dot" } };
};
