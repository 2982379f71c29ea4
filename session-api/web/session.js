// The log-in of a browser, for any web application that stands behind one host with the session
// service. Take it from the service:
//
//   import { Session } from "/web/session.js";
//
//   const session = new Session();
//   session.onLoggedOut((reason) => showLogin(reason));
//   const who = await session.load();                 // null: nobody is logged in
//   await session.logIn(username, password);
//   const answer = await session.fetch("/orders");    // refreshes silently where it must
//
// All tabs of a browser have the same cookies, so they act as one: one of them refreshes while the
// others wait, one of them holds the line on which the service tells of the session's end, and what
// one learns the others hear. Tabs that refresh each for itself may log their user out: a token that
// is two refreshes old counts as stolen. An answer of 503 and a dead network are no log-out.

/** Held by the tab that changes the cookies. */
const COOKIES = "portcullis-cookies";
/** Held by the tab that listens to the service for all of them. */
const LINE = "portcullis-line";
const CHANNEL = "portcullis";
/** In `localStorage`: how often this browser has refreshed. */
const REFRESHES = "portcullis-refreshes";
/** In `localStorage`: the key of a refresh whose answer has not come yet. */
const RETRY_KEY = "portcullis-retry-key";

/** For so long the service may take to answer. */
const PATIENCE_MS = 30_000;
/** The service says something every 5 s. */
const SILENCE_MS = 20_000;
const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

const isSafe = (method) => ["GET", "HEAD", "OPTIONS"].includes(method);

/** What the service refused, in its own words (RFC 9457). */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    /** The HTTP status. */
    this.status = status;
    /** The last part of the problem's type, such as `bad-credentials`. */
    this.slug = problem.type?.replace("urn:portcullis:", "") ?? null;
    /** What to do about it, where that is said. */
    this.detail = problem.detail ?? null;
    /** Seconds to wait, where that is said. */
    this.retryAfter = retryAfter;
  }

  /** Of an answer. It is read to its end unless `answer` is a clone. */
  static async of(answer) {
    const isProblem = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
    const problem = isProblem ? await answer.json() : {};
    const retryAfter = Number(answer.headers.get("Retry-After")) || null;
    return new Refusal(answer.status, problem, retryAfter);
  }
}

/**
 * This browser keeps no cookies for the page: they are turned off, or it came over plain http, where some
 * browsers keep none of the service's. So nobody can be logged in here.
 */
export class NoCookies extends Error {}

/** The session of this browser. One object for a page. */
export class Session {
  #service;
  #channel = new BroadcastChannel(CHANNEL);
  #listeners = { in: new Set(), out: new Set(), line: new Set() };
  /** What the service last said of the session; null while nobody is logged in. */
  #who = null;
  /** Ends this page's part in listening. */
  #leave = null;
  /** Whether the line stands; null where that is not known. */
  #stands = null;
  #holdsLine = false;

  /** `service`: where the session service is; from where this file came, unless given. */
  constructor(service = new URL("..", import.meta.url)) {
    this.#service = new URL(service, document.baseURI);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
  }

  /** Who is logged in, `{ session, user, … }` as `GET /session` has it, or null. */
  get who() {
    return this.#who;
  }

  /** Whether the service could tell of the session's end now; null where that is not known yet. */
  get connected() {
    return this.#who && this.#stands;
  }

  /** Calls `listener(who)` when somebody has logged in, in whichever tab. */
  onLoggedIn(listener) {
    this.#listeners.in.add(listener);
  }

  /**
   * Calls `listener(reason)` when the session has ended, wherever it was ended: `logout`, `user` (from
   * another session), `admin`, `reuse`, `replaced`, `limit`, `all`, `expired`, or null where the
   * service did not say.
   */
  onLoggedOut(listener) {
    this.#listeners.out.add(listener);
  }

  /** Calls `listener(stands)` when the line to the service comes or goes. */
  onLine(listener) {
    this.#listeners.line.add(listener);
  }

  /**
   * Asks the service who is logged in; null where nobody is.
   * Throws a `Refusal`, or another error where no answer came: then nobody knows.
   */
  async load() {
    const answer = await this.#ask("GET", "session");
    if (answer.status === 401) {
      this.#out(null);
      return null;
    }
    if (!answer.ok) throw await Refusal.of(answer);
    this.#in(await answer.json());
    return this.#who;
  }

  /**
   * Logs in. Throws a `Refusal`, `NoCookies`, or another error where no answer came. `deviceToken` is one
   * that an operator gave to the user while strangers try the password; without one the browser's own
   * counts.
   */
  async logIn(username, password, { deviceToken } = {}) {
    needCookies();
    const body = { username, password, device_token: deviceToken };
    const answer = await alone(() => this.#ask("POST", "session", { body }));
    if (!answer.ok) throw await Refusal.of(answer);
    localStorage.removeItem(RETRY_KEY);
    const who = await answer.json();
    // A page on a sister host sees none, and has to take it on trust.
    const own = this.#service.origin === location.origin;
    if (own && !document.cookie.includes(`__Host-csrf=${who.csrf_token}`)) throw new NoCookies();
    this.#channel.postMessage({ in: who });
    this.#in(who);
    return who;
  }

  /** Logs out. Throws where that is not known to have happened: the session may live on. */
  async logOut() {
    const id = this.#who?.session.id;
    const answer = await this.fetch(new URL("session", this.#service), { method: "DELETE" });
    if (!answer.ok && answer.status !== 401) throw await Refusal.of(answer);
    this.#channel.postMessage({ out: "logout", id });
    this.#out("logout");
  }

  /**
   * `fetch` with the session's cookies and, where something is changed, its CSRF value. Where the
   * access token has ended it is refreshed and the call repeated, once. Calls to strange origins
   * are left as they are.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (origin !== location.origin && origin !== this.#service.origin) return fetch(request);
    needCookies();
    const seen = localStorage.getItem(REFRESHES);
    const answer = await this.#send(request.clone());
    if (answer.status !== 401 && answer.status !== 403) return answer;
    const { slug } = await Refusal.of(answer.clone());
    if (answer.status === 403) {
      if (slug !== "csrf" || !(await this.load())) return answer;
      return this.#send(request, this.#who.csrf_token);
    }
    // A gateway may answer 401 in words of its own.
    if (slug !== null && slug !== "token-missing" && slug !== "token-invalid") {
      if (slug === "session-ended") await this.#ended(null);
      return answer;
    }
    const refused = await this.#refresh(seen);
    if (refused === null) return this.#send(request);
    if (refused.status !== 401) return refused;
    await this.#ended(null);
    return answer;
  }

  /** Refreshes, unless another tab has done so since `seen`; null, or the answer that refuses it. */
  #refresh(seen) {
    return alone(async () => {
      // A busy browser may show what another tab has written a moment late: then there is one refresh
      // more, of the newest token.
      if (localStorage.getItem(REFRESHES) !== seen) return null;
      // The same key until an answer has come: the service then gives the same tokens again.
      const key = localStorage.getItem(RETRY_KEY) ?? crypto.randomUUID();
      localStorage.setItem(RETRY_KEY, key);
      const headers = { "Idempotency-Key": key };
      let answer = await this.#ask("POST", "session/refresh", { headers });
      if (answer.status === 403 && (await this.load())) {
        answer = await this.#ask("POST", "session/refresh", { headers, csrf: this.#who.csrf_token });
      }
      if (answer.status < 500 && answer.status !== 429) localStorage.removeItem(RETRY_KEY);
      if (!answer.ok) return answer;
      localStorage.setItem(REFRESHES, String(Number(seen) + 1));
      this.#in(await answer.json());
      return null;
    });
  }

  /** A call of the service itself. */
  #ask(method, path, { body, headers, csrf } = {}) {
    const json = body && { "Content-Type": "application/json" };
    const request = new Request(new URL(path, this.#service), {
      method,
      headers: { ...json, ...headers },
      body: body && JSON.stringify(body),
      // No tab keeps the others waiting for ever.
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return this.#send(request, csrf);
  }

  #send(request, csrf = this.#csrf()) {
    if (!isSafe(request.method) && csrf) request.headers.set("X-CSRF-Token", csrf);
    return fetch(new Request(request, { credentials: "include" }));
  }

  /** From the cookie, which is always the newest; a page on a sister host sees none. */
  #csrf() {
    const cookie = document.cookie.match(/(?:^|; )__Host-csrf=([^;]*)/);
    return cookie?.[1] ?? this.#who?.csrf_token;
  }

  /** The service has said that the session has ended. True where that still holds. */
  async #ended(reason) {
    // Whoever is just logging in holds the cookies, and then they are those of a new session.
    const answer = await alone(() => this.#ask("GET", "session"));
    if (answer.ok) this.#in(await answer.json());
    if (answer.status !== 401) return false;
    this.#channel.postMessage({ out: reason, id: this.#who?.session.id });
    this.#out(reason);
    return true;
  }

  #in(who) {
    const before = this.#who;
    const same = before?.session.id === who.session.id;
    this.#who = same ? { ...before, ...who } : who;
    if (same) return;
    this.#listen();
    this.#tell("in", this.#who);
  }

  #out(reason) {
    if (!this.#who) return;
    this.#who = null;
    this.#leave?.abort();
    this.#tell("out", reason);
  }

  #tell(what, news) {
    for (const listener of this.#listeners[what]) listener(news);
  }

  /** What another tab says. */
  #hear(news) {
    if (news.in) this.#in(news.in);
    if ("out" in news && news.id === this.#who?.session.id) this.#out(news.out);
    if (news.line === "?" && this.#holdsLine) this.#channel.postMessage({ line: this.#stands });
    else if (typeof news.line === "boolean" && this.#who) this.#lineIs(news.line);
  }

  #lineIs(stands) {
    if (this.#stands === stands) return;
    this.#stands = stands;
    if (this.#holdsLine) this.#channel.postMessage({ line: stands });
    this.#tell("line", stands);
  }

  /** Waits for the line, then holds it for all tabs until this one is closed or logged out. */
  #listen() {
    this.#leave?.abort();
    this.#leave = new AbortController();
    const { signal } = this.#leave;
    this.#stands = null;
    this.#channel.postMessage({ line: "?" });
    navigator.locks
      .request(LINE, { signal }, async () => {
        this.#holdsLine = true;
        await this.#hold(signal);
        this.#holdsLine = false;
      })
      .catch((error) => {
        if (!signal.aborted) throw error;
      });
  }

  async #hold(signal) {
    let wait = 0;
    while (!signal.aborted) {
      const heard = await this.#read(signal).catch(() => ({ stood: false }));
      if (signal.aborted) return;
      this.#lineIs(false);
      if ("ended" in heard && (await this.#ended(heard.ended).catch(() => false))) return;
      wait = Math.min(Math.max(heard.stood ? 0 : wait * 2, SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
      await pause(wait * (0.5 + Math.random() / 2), signal);
    }
  }

  /** Reads the line to its end: whether it stood, and why the session has ended, where it has. */
  async #read(signal) {
    const silence = new AbortController();
    const url = new URL("session/stream", this.#service);
    const answer = await fetch(url, {
      credentials: "include",
      cache: "no-store",
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (answer.status === 401) return { stood: false, ended: null };
    if (!answer.ok) return { stood: false };
    this.#lineIs(true);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      clearTimeout(timer);
      if (done) return { stood: true };
      text += value;
      const ended = text.match(/^event: ended\ndata: (.*)\n\n/m);
      if (ended) return { stood: true, ended: JSON.parse(ended[1]).reason };
      text = text.slice(text.lastIndexOf("\n\n") + 1);
    }
  }
}

/** Throws where it is known beforehand that none are kept. */
function needCookies() {
  try {
    if (navigator.cookieEnabled && navigator.locks && localStorage) return;
  } catch {
    // So says a browser in which the user has turned them off.
  }
  throw new NoCookies();
}

/** Runs `action` while no other tab changes the cookies. */
function alone(action) {
  return navigator.locks.request(COOKIES, action);
}

/** Waits; shorter where the network comes back or the page is looked at again. */
function pause(ms, signal) {
  const { promise, resolve } = Promise.withResolvers();
  const done = new AbortController();
  const until = { signal: done.signal };
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", resolve, until);
  addEventListener("online", resolve, until);
  document.addEventListener("visibilitychange", resolve, until);
  return promise.finally(() => {
    clearTimeout(timer);
    done.abort();
  });
}
