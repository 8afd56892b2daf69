// Asking the node again and again: seldom when nothing answers, not at all while nobody looks.

const LONGEST_WAIT = 60_000;
const TIME_OUT = 8_000;

/** When the node was last heard, since when it has been silent, and how far its clock is ahead of this machine's. */
export const connection = { heard: null, failedSince: null, offset: 0 };

/** What time it is for the node. */
export const nodeTime = () => Date.now() + connection.offset;

/**
 * One address that is asked every `every` milliseconds.
 *
 * `deliver` gets the JSON when it has changed, `refuse` the node's error when it answers with one. The address is a function, so
 * that the same feed can follow a choice; null means that there is nothing to ask. The feed that is `vital` tells whether the node
 * can be reached.
 */
export class Feed {
  #timer = null;
  #asked = null;
  #tag = null;
  #failures = 0;

  constructor({ address, every, deliver, refuse = () => {}, vital = false }) {
    Object.assign(this, { address, every, deliver, refuse, vital });
  }

  /** Ask now, whatever was asked before, and go on from there. */
  async now() {
    clearTimeout(this.#timer);
    const address = this.address();
    if (address === null) return;
    if (address !== this.#asked) this.#tag = null;
    this.#asked = address;
    await this.#ask(address);
    // Another choice may have been made meanwhile; its own round has begun then.
    if (address !== this.#asked) return;
    clearTimeout(this.#timer);
    const wait = this.#failures ? Math.min(LONGEST_WAIT, this.every * 2 ** Math.min(this.#failures, 5)) : this.every;
    this.#timer = setTimeout(() => this.#again(), wait);
  }

  #again() {
    if (!document.hidden) this.now();
    else document.addEventListener("visibilitychange", () => this.now(), { once: true });
  }

  async #ask(address) {
    let response, body;
    try {
      const headers = this.#tag ? { "If-None-Match": this.#tag } : {};
      response = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(TIME_OUT) });
      body = response.status === 304 ? null : await response.json();
    } catch {
      this.#failures += 1;
      if (this.vital) lose();
      return;
    }
    this.#failures = 0;
    if (this.vital) hear(response);
    if (address !== this.#asked || body === null) return;
    this.#tag = response.ok ? response.headers.get("ETag") : null;
    if (response.ok) this.deliver(body);
    else this.refuse(body.error ?? { message: `the node answered ${response.status}`, hint: "" });
  }
}

const lose = () => {
  connection.failedSince ??= Date.now();
  document.dispatchEvent(new Event("silent"));
};

const hear = (response) => {
  const found = connection.failedSince !== null;
  connection.heard = Date.now();
  connection.failedSince = null;
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has no fraction of a second: a smaller difference says nothing.
  if (!Number.isNaN(date)) connection.offset = Math.abs(date - Date.now()) < 2_000 ? 0 : date - Date.now();
  if (found) document.dispatchEvent(new Event("found"));
};
