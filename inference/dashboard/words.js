// Numbers, times and names as people read them. All times are UTC, as in the node's log.

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const SPANS = { s: "second", m: "minute", h: "hour", d: "day" };

/** Small numbers as words. */
export const count = (number) => NUMBERS[number] ?? String(number);

/** As a sentence begins. */
export const sentence = (text) => text.replace(/^./, (letter) => letter.toUpperCase());

/** "ETH price 10m" */
export const topicName = (topic) => `${topic.token} ${targetName(topic.target)} ${topic.horizon}`;

/** log_return is "log return". */
export const targetName = (target) => target.replace("_", " ");

/** "10m" is "10 minutes". */
export const spanName = (horizon) => {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(horizon);
  return `${number} ${SPANS[unit]}${number === "1" ? "" : "s"}`;
};

/** "12:03", with the day in front if it is not today's. */
export const clock = (ms, now = Date.now()) => {
  const text = new Date(ms).toISOString();
  const time = text.slice(11, 16);
  return text.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? time : `${day(ms)} ${time}`;
};

/** "21 Nov" */
export const day = (ms) => new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** "12:03:09" */
export const clockWithSeconds = (ms) => new Date(ms).toISOString().slice(11, 19);

/** "just now", "40 s", "3 min", "5 h", "2 days" */
export const age = (ms) => {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return "0 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
};

/** A number with as many digits as its size deserves: 64,000.50, 149.060, 2.3456, 0.00012345. */
export const figure = (value) => {
  const size = Math.abs(value);
  const digits = size >= 1000 ? fixed(2) : size >= 10 ? fixed(3) : size >= 1 ? fixed(4) : { minimumSignificantDigits: 4, maximumSignificantDigits: 5 };
  return value.toLocaleString("en", digits);
};

/** Thousands with commas. */
export const whole = (value) => value.toLocaleString("en");

/** 0.0123 is "+1.23 %". */
export const percent = (part, digits = 2) =>
  `${part.toLocaleString("en", { signDisplay: "exceptZero", ...fixed(digits) }).replace("-", "−")} %`;

/** Skill, a part of one, as a percentage with sign; a dash where it is not known. */
export const skillText = (skill) => (skill == null ? "–" : percent(skill * 100, 1));

/** A part of one as a percentage; a dash where it is not known. */
export const share = (part) => (part == null ? "–" : `${(part * 100).toFixed(1)} %`);

/** A target's value in the network's unit: a volatility is that of the whole horizon. */
export const valueText = (value, target) => {
  if (target === "price") return `${figure(value)} USDT`;
  if (target === "volatility") return `${(value * 100).toPrecision(4)} %`;
  return percent(value * 100, 3);
};

/** The last six letters of a version's name tell it from its neighbours. */
export const shortVersion = (version) => version.slice(-6);

/** 20261121T070838Z-6d9417 says when it was made. */
export const versionTime = (version) => {
  const [, year, month, date, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(version);
  return Date.UTC(year, month - 1, date, hour, minute, second);
};

/** What a topic's reason says beyond the topic's own name. */
export const plainReason = (topic) => {
  const name = /^topic \d+ \([^)]*\): /.exec(topic.reason);
  return name ? topic.reason.slice(name[0].length) : topic.reason;
};

const fixed = (digits) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });
