
"use strict";
// Nothing of an item is ever markup here: texts go into the page through textContent alone, and
// the page's own policy refuses any script but this one, any style but its own, and any request.
(() => {
  const element = (id) => document.getElementById(id);
  const holder = element("data");
  const data = JSON.parse(holder.textContent);
  holder.remove();  // the texts need not be in memory twice
  const { tasks, labels, fields } = data;
  const n = tasks.length;
  const HOTKEYS = "1234567890qwrtyuiopadfhjklxcvbm";  // without the keys of the commands: e g n s z
  const placeOf = new Map(tasks.map((task, place) => [task.key, place]));

  // --- What is known, and where it is kept. One item of storage a task: an answer is one write.
  const records = new Array(n);  // {status, label, lead, created, updated} or undefined
  const spent = new Map();  // place -> milliseconds looked at so far
  let undone = [];  // [{place, before}], the latest answer last
  let person = "", session = "", now = 0, lastTime = 0, place = 0, since = 0;
  let nAnswered = 0, nSkipped = 0;

  const round = `labelkit/${data.uid}/`;
  const mine = () => `${round}p/${encodeURIComponent(person)}/`;
  let storage = null;
  try {
    storage = window.localStorage;
    storage.setItem(`${round}test`, "1");
    storage.removeItem(`${round}test`);
  } catch { storage = null; }
  const lost = () => alertUser("This browser does not keep the answers: export them before you close the page.");

  function keep(name, value) {
    try {
      if (!storage) throw new Error("no storage");
      storage.setItem(name, value);
    } catch { lost(); }
  }
  const kept = (name) => { try { return storage && storage.getItem(name); } catch { return null; } };

  // Browsers write localStorage to disk seconds to a minute late, and IndexedDB at once: with a copy
  // there, a browser that is killed loses nothing. It answers late, so it is read only at the start.
  const RECALL_MS = 3_000;
  const copies = new Promise((done) => {
    try {
      const request = indexedDB.open("labelkit", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("kept");
      request.onsuccess = () => done(request.result);
      request.onerror = request.onblocked = () => done(null);
    } catch { done(null); }
  });
  function keepTwice(name, value) {
    keep(name, value);
    copies.then((database) => {
      try {
        const change = database?.transaction("kept", "readwrite", { durability: "strict" });
        change?.objectStore("kept").put(value, name);
      } catch { /* the first copy is there, or its loss was told */ }
    });
  }
  function recalled(prefix) {
    const read = copies.then((database) => new Promise((done) => {
      if (!database) { done(new Map()); return; }
      const found = database.transaction("kept").objectStore("kept");
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const names = found.getAllKeys(range), values = found.getAll(range);
      found.transaction.oncomplete = () => done(new Map(names.result.map((name, i) => [name, values.result[i]])));
      found.transaction.onerror = found.transaction.onabort = () => done(new Map());
    })).catch(() => new Map());
    const late = new Promise((done) => { setTimeout(() => done(new Map()), RECALL_MS); });
    return Promise.race([read, late]);
  }

  // A record is usable if it says what it must; anything else was not written by this page.
  function usable(record) {
    return record !== null && typeof record === "object"
      && ["answered", "skipped", "withdrawn"].includes(record.status)
      && (record.status !== "answered" || labels.includes(record.label))
      && [record.lead, record.created, record.updated].every((x) => Number.isFinite(x) && x >= 0);
  }
  function parsed(text) {
    try {
      const record = JSON.parse(text);
      return usable(record) ? record : undefined;
    } catch { return undefined; }
  }
  const active = (record) => record !== undefined && record.status !== "withdrawn";

  function put(at, record) {
    const count = (r, by) => {
      if (r && r.status === "answered") nAnswered += by;
      if (r && r.status === "skipped") nSkipped += by;
    };
    count(records[at], -1);
    count(record, 1);
    records[at] = record;
    if (record) lastTime = Math.max(lastTime, record.updated);
  }

  function load(name, copied) {
    person = name;
    records.fill(undefined);
    spent.clear();
    nAnswered = nSkipped = lastTime = 0;
    session = kept(`${mine()}session`) || copied.get(`${mine()}session`) || "";
    if (!/^[0-9a-f]{32}$/.test(session)) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      session = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    keepTwice(`${mine()}session`, session);
    tasks.forEach((task, at) => {
      const name = `${mine()}a/${task.key}`;
      const here = parsed(kept(name)), copy = parsed(copied.get(name) ?? null);
      const record = copy && !(here?.updated >= copy.updated) ? copy : here;
      if (record && record !== here) keep(name, JSON.stringify(record));
      if (record) { put(at, record); spent.set(at, record.lead); }
    });
    undone = records.map((record, at) => ({ place: at, before: undefined, record }))
      .filter((entry) => active(entry.record))
      .sort((a, b) => a.record.updated - b.record.updated);
    keep(`${round}last`, person);
    const at = Number(kept(`${mine()}at`));
    place = Number.isInteger(at) && at >= 0 && at < n ? at : 0;
    if (active(records[place])) place = nextOpen(place) ?? place;
  }

  // --- Time: only while the page is seen and no dialog is in the way.
  const watching = () => document.visibilityState === "visible" && !document.querySelector("dialog[open]");
  function tick() {
    now = performance.now();
    if (since) spent.set(place, (spent.get(place) ?? 0) + now - since);
    since = watching() && n ? now : 0;
  }

  // --- Steps
  function save(record, said) {
    tick();
    const before = records[place];
    // The clock of a computer may be set back; the order of answers may not.
    const time = Math.max(Date.now(), lastTime + 1);
    const full = { lead: Math.round(spent.get(place) ?? 0), created: before?.created ?? time, updated: time, ...record };
    put(place, full);
    keepTwice(`${mine()}a/${tasks[place].key}`, JSON.stringify(full));
    say(said);
    return before;
  }
  function answer(record, said) {
    if (!n) return;
    const at = place;
    undone.push({ place: at, before: save(record, said) });
    const next = nextOpen(at);
    if (next === null) show(at, true); else show(next);
  }
  const choose = (label) => answer({ status: "answered", label }, `${label}: saved.`);
  const skip = () => answer({ status: "skipped", label: null }, "Skipped.");
  function clear() {
    if (!active(records[place])) return;
    undone.push({ place, before: save({ status: "withdrawn", label: null }, "Cleared.") });
    show(place);
  }
  function undo() {
    const last = undone.pop();
    if (!last) { say("Nothing to undo."); return; }
    tick();
    place = last.place;
    const { status, label } = last.before ?? { status: "withdrawn", label: null };
    save({ status, label }, "Undone.");
    show(last.place);
  }
  function nextOpen(from) {
    for (let step = 1; step <= n; step += 1) {
      const at = (from + step) % n;
      if (!active(records[at])) return at;
    }
    return null;
  }
  const go = (to) => { if (to >= 0 && to < n) show(to); };

  // --- What is seen
  const say = (text) => { element("status").textContent = text; };
  function alertUser(text) { element("alert").textContent = text; element("alert").hidden = false; }
  function make(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // An address that a person may follow: http(s), a public host by name, no password, as written.
  function link(text) {
    if (!/^https?:\/\/[!#%&()*+,./0-9:;=?@A-Z_a-z~[\]-]{1,2000}$/.test(text)) return null;
    try {
      const url = new URL(text);
      const host = url.hostname.replace(/\.$/, "");
      if (url.username || url.password || !/\.[a-z][a-z0-9-]*$/.test(host)) return null;
      return /\.(localhost|local|internal)$/.test(host) ? null : url.href;
    } catch { return null; }
  }
  const picture = (text) => /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$/.test(text);

  function shown(field, text) {
    const box = make("div", field.is_key ? "field is-key" : "field");
    box.append(make("p", "caption", field.caption));
    const said = make("div", "text");
    said.dir = "auto";
    said.lang = "";
    const address = link(text);
    if (address) {
      const anchor = make("a", "", text);
      anchor.href = address;
      anchor.target = "_blank";
      anchor.rel = "noopener noreferrer nofollow";
      said.append(anchor);
    } else if (picture(text)) {
      const image = make("img");
      image.alt = field.caption;
      image.src = text;
      said.append(image);
    } else {
      said.textContent = text;
    }
    box.append(said);
    return box;
  }

  function show(to, finished = false) {
    tick();
    place = to;
    keep(`${mine()}at`, String(place));
    const task = tasks[place], record = records[place];
    const example = element("example");
    const keys = make("div", "keys"), rest = make("div"), pair = make("div", "pair");
    const sides = [make("section", "side"), make("section", "side")];
    fields.forEach((field, number) => {
      const target = field.side === null ? (field.is_key ? keys : rest) : sides[field.side];
      target.append(shown(field, task.texts[number]));
    });
    if (fields.some((field) => field.side !== null)) pair.append(...sides);
    example.replaceChildren(keys, rest, pair);
    for (const box of example.querySelectorAll(".text")) {
      // What scrolls must be reached by keyboard as well.
      if (box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    }
    buttons.forEach((button, number) => {
      const chosen = record?.status === "answered" && record.label === labels[number];
      button.setAttribute("aria-pressed", String(chosen));
      const guessed = task.guess === number;
      button.classList.toggle("guess", guessed);
      button.querySelector("small")?.remove();
      if (guessed) button.append(make("small", "", `suggested: ${Math.round(100 * task.score)} %`));
    });
    const state = record?.status === "skipped" ? " · skipped" : active(record) ? " · answered" : "";
    element("place").textContent = `Task ${place + 1} of ${n}${state}`;
    element("previous").disabled = place === 0;
    element("next").disabled = place === n - 1;
    const all = nAnswered + nSkipped === n;
    element("open").disabled = all;
    element("undo").disabled = !undone.length;
    element("clear").disabled = !active(record);
    element("done").hidden = !all;
    element("progress").max = n;
    element("progress").value = nAnswered + nSkipped;
    element("count").textContent = `${nAnswered} of ${n} answered, ${nSkipped} skipped`;
    if (!document.querySelector("dialog[open]")) element(finished ? "done-title" : "place").focus({ preventScroll: true });
  }

  // --- Files
  function exported() {
    const answers = [];
    tasks.forEach((task, at) => {
      const record = records[at];
      if (record) answers.push({
        key: task.key, status: record.status, label: record.label ?? null,
        lead_time_s: record.lead / 1000,
        created_at: new Date(record.created).toISOString(),
        updated_at: new Date(record.updated).toISOString(),
      });
    });
    return { format: "labelkit answers 1", round: data.uid, annotator: person, session, answers };
  }
  function save_file() {
    const file = new Blob([JSON.stringify(exported(), null, 1)], { type: "application/json" });
    const plain = person.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "") || "somebody";
    const anchor = make("a");
    anchor.href = URL.createObjectURL(file);
    anchor.download = `answers-${plain}-${session.slice(0, 6)}.json`;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
    say(`${nAnswered} answers and ${nSkipped} skipped tasks exported.`);
  }
  async function load_file(file) {
    let taken = 0;
    try {
      const found = JSON.parse(await file.text());
      if (found.format !== "labelkit answers 1" || found.round !== data.uid || !Array.isArray(found.answers)) {
        alertUser("That file does not hold answers to this round.");
        return;
      }
      for (const entry of found.answers) {
        const at = placeOf.get(entry?.key);
        const record = {
          status: entry?.status, label: entry?.label, lead: Math.round(1000 * entry?.lead_time_s),
          created: Date.parse(entry?.created_at), updated: Date.parse(entry?.updated_at),
        };
        if (at === undefined || !usable(record)) continue;
        if (records[at] && records[at].updated >= record.updated) continue;
        put(at, record);
        spent.set(at, record.lead);
        keepTwice(`${mine()}a/${tasks[at].key}`, JSON.stringify(record));
        taken += 1;
      }
    } catch {
      alertUser("That file cannot be read as answers.");
      return;
    }
    say(`${taken} answers loaded.`);
    show(place);
  }

  // --- People and keys
  function clean(name) {
    return name.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, "").trim().normalize("NFC");
  }
  async function start() {
    const name = clean(element("name-field").value);
    if (!name) { element("name-field").focus(); return; }
    const copied = await recalled(`${round}p/${encodeURIComponent(name)}/`);
    if (!element("name").open) return;
    load(name, copied);
    element("name").close();
    element("who").textContent = `Annotator: ${name}`;
    element("who").hidden = false;
    if (n) show(place);
  }
  function ask() {
    tick();
    element("name-field").value = person || kept(`${round}last`) || "";
    element("name").showModal();
    since = 0;
  }
  function help() { tick(); element("help").showModal(); since = 0; }
  const guidelines = () => { element("guidelines").open = !element("guidelines").open; };

  const commands = new Map([
    ["s", skip], ["z", undo], ["Backspace", clear], ["Delete", clear], ["n", () => go(nextOpen(place) ?? place)],
    ["ArrowLeft", () => go(place - 1)], ["ArrowRight", () => go(place + 1)],
    ["Home", () => go(0)], ["End", () => go(n - 1)], ["e", save_file], ["?", help], ["g", guidelines],
  ]);
  document.addEventListener("keydown", (event) => {
    // A held key must not label a hundred tasks.
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !event.key.startsWith("Arrow")) return;
    if (event.isComposing || document.querySelector("dialog[open]") || !person || !n) return;
    if (!element("keys-on").checked && event.key !== "?") return;
    // Keyboards on which digits need the shift key: the digit row counts as digits all the same.
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    const lower = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const key = digit && !event.shiftKey ? digit[1] : lower;
    const number = key.length === 1 ? HOTKEYS.indexOf(key) : -1;
    const scrolls = event.target.closest?.(".text[tabindex]") && /^(Arrow|Home|End)/.test(key);
    if (number >= 0 && number < labels.length) choose(labels[number]);
    else if (commands.has(key) && !scrolls) commands.get(key)();
    else return;
    event.preventDefault();
  });
  const press = (id, action) => element(id).addEventListener("click", action);
  press("skip", skip); press("undo", undo); press("clear", clear); press("export", save_file);
  press("previous", () => go(place - 1)); press("next", () => go(place + 1));
  press("open", () => go(nextOpen(place) ?? place)); press("who", ask); press("help-open", help);
  press("help-close", () => element("help").close()); press("name-go", start);
  element("name-field").addEventListener("keydown", (event) => { if (event.key === "Enter") start(); });
  element("name").addEventListener("cancel", (event) => { if (!person) event.preventDefault(); });
  // A browser may close a dialog at the second Escape whatever the page says.
  element("name").addEventListener("close", () => { if (!person) ask(); else tick(); });
  element("help").addEventListener("close", tick);
  element("load").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) { element("help").close(); load_file(file); }
    event.target.value = "";
  });
  element("keys-on").addEventListener("change", () => keep("labelkit/keys", element("keys-on").checked ? "on" : "off"));
  document.addEventListener("visibilitychange", tick);
  // The same page in a second tab: both see what either was told.
  window.addEventListener("storage", (event) => {
    const prefix = `${mine()}a/`;
    if (!person || !event.key?.startsWith(prefix)) return;
    const at = placeOf.get(event.key.slice(prefix.length)), record = parsed(event.newValue);
    if (at !== undefined && record) { put(at, record); show(place); }
  });

  element("title").textContent = data.title;
  if (data.instructions) {
    element("guidelines-text").textContent = data.instructions;
    element("guidelines").hidden = false;
  }
  element("keys-on").checked = kept("labelkit/keys") !== "off";
  const buttons = labels.map((label, number) => {
    const button = make("button");
    button.type = "button";
    const name = make("span", "", label);
    name.dir = "auto";
    button.append(name);
    if (number < HOTKEYS.length) {
      button.append(make("kbd", "", HOTKEYS[number]));
      button.setAttribute("aria-keyshortcuts", HOTKEYS[number]);
    }
    button.addEventListener("click", () => choose(label));
    element("labels").append(button);
    return button;
  });
  if (!storage) lost();
  if (!n) element("place").textContent = "No task yet.";
  ask();
})();
