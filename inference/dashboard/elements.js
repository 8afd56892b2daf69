// Making elements. Text from data becomes text, never markup.

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element with attributes (false and null leave one out) and children, which are elements or text. */
export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null && child !== ""));
  return element;
};

/** Put `text` into an element, and leave the element alone if it says so already: screen readers speak only of changes. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** A mark and a word for a state, so that neither colour nor shape stands alone. */
export const badge = (level, word) =>
  make("span", { class: "badge", "data-level": level }, make("span", { class: "sign", "aria-hidden": "true" }, SIGNS[level]), word);

/** Names and values as the inside of a description list; what has no value is left out. */
export const definitions = (pairs) => (pairs ?? []).filter(([, value]) => value != null && value !== "–")
  .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value))));

const SIGNS = { good: "●", waiting: "◐", bad: "▲", quiet: "○" };
